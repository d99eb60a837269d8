"""values.schema.json refuses what it does not know, by name, and says the same as values.yaml."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from .conftest import CHART, Helm

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES_TEXT = (CHART / "values.yaml").read_text()
VALUES = yaml.safe_load(VALUES_TEXT)
# Handed to Kubernetes as they are, which checks them when they are applied.
PASSED_ON = "Kubernetes checks what is in it."

TYPOS = {
    "top level": ("replicaCont=1", "additional properties 'replicaCont' not allowed"),
    "image": ("image.repo=x", "additional properties 'repo' not allowed"),
    "kernelDefaults": ("kernelDefaults.resource.limits.cpu=1", "additional properties 'resource' not allowed"),
    "resources": ("resources.limit.cpu=1", "additional properties 'limit' not allowed"),
    "probes": ("probes.liveness.period=1", "additional properties 'period' not allowed"),
    "toleration": ("tolerations[0].keys=x", "additional properties 'keys' not allowed"),
    "subject": (
        "clientRole.subjects[0].kind=User,clientRole.subjects[0].name=x,clientRole.subjects[0].names=x",
        "additional properties 'names' not allowed",
    ),
    "peer": ("networkPolicy.kernels.allowFrom[0].pods=x", "additional properties 'pods' not allowed"),
}
BAD_VALUES = {
    "a hundred operators": ("replicaCount=100", "at '/replicaCount': maximum: got 100, want 5"),
    "kernels' tag of two words": ("kernelDefaults.image.tag=a b", "at '/kernelDefaults/image/tag': 'a b' does not"),
    "priority class that is no name": ("priorityClassName=a: b", "at '/priorityClassName': 'a: b' does not match"),
    "ServiceAccount that is no name": ("serviceAccount.name=Op", "at '/serviceAccount/name': 'Op' does not match"),
    "priority level that is no name": ("flowSchema.priorityLevel=", "at '/flowSchema/priorityLevel': '' does not"),
    "log level in lower case": ("operator.logLevel=info", "at '/operator/logLevel': value must be one of"),
    "no workers": ("operator.workers=0", "at '/operator/workers': minimum: got 0, want 1"),
    "pull policy": ("image.pullPolicy=Sometimes", "at '/image/pullPolicy': value must be one of"),
    "short digest": ("image.digest=sha256:12", "at '/image/digest': 'sha256:12' does not match pattern"),
    "namespace in capitals": (
        "watchNamespaces[0]=Kernels",
        "at '/watchNamespaces/0': 'Kernels' does not match pattern",
    ),
    "a namespace twice": ("watchNamespaces={a,a}", "at '/watchNamespaces': items at 0 and 1 are equal"),
    "port 0": ("metrics.port=0", "at '/metrics/port': minimum: got 0, want 1"),
    "ServiceAccount without namespace": (
        "clientRole.subjects[0].kind=ServiceAccount,clientRole.subjects[0].name=x",
        "at '/clientRole/subjects/0': missing property 'namespace'",
    ),
    "empty peer": ("networkPolicy.kernels.allowFrom[0]=", "at '/networkPolicy/kernels/allowFrom/0': got string"),
    "callback by https, which no supervisor speaks": (
        "callback.url=https://operator:8443/v1/callback",
        "at '/callback/url': 'https://operator:8443/v1/callback' does not match",
    ),
    "tag with a space": ("image.tag=a b", "at '/image/tag': 'a b' does not match pattern"),
    "callback without scheme": ("callback.url=operator:8443", "at '/callback/url': 'operator:8443' does not match"),
}


@pytest.mark.parametrize(("setting", "message"), TYPOS.values(), ids=TYPOS)
def test_a_typo_is_refused_by_name(helm: Helm, setting: str, message: str) -> None:
    assert message in helm("template", str(CHART), f"--set={setting}").stderr


@pytest.mark.parametrize(("setting", "message"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_is_refused_with_its_path(helm: Helm, setting: str, message: str) -> None:
    assert message in helm("template", str(CHART), f"--set={setting}").stderr


def test_every_object_of_the_schema_is_closed() -> None:
    loose = [path for path, schema in objects(SCHEMA, "") if schema.get("additionalProperties", True) is True]
    # Helm shares `global` with all charts; those who use this one as a part of theirs have other values in it.
    assert [path for path in loose if not passed_on(path)] == ["/properties/global"]


def test_schema_and_values_name_the_same() -> None:
    assert sorted(schema_paths(SCHEMA, "")) == sorted(value_paths(SCHEMA, VALUES, ""))


def test_every_value_is_described_in_values_yaml() -> None:
    lines = VALUES_TEXT.splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r" *[a-zA-Z]+:( [^{]|$)", line)]
    plain = {"registry", "repository", "requests", "limits", "cpu", "memory", "operator", "drop", "image"}
    undescribed = [lines[n] for n in keys if not described(lines, n) and lines[n].split(":")[0].strip() not in plain]
    assert undescribed == []


def described(lines: list[str], number: int) -> bool:
    """Whether a comment stands above the line, or above what the line is a part of."""
    indent = len(lines[number]) - len(lines[number].lstrip())
    for line in reversed(lines[:number]):
        if line.strip().startswith("#"):
            return True
        if line and len(line) - len(line.lstrip()) < indent:
            indent = len(line) - len(line.lstrip())
            continue
        if not line:
            return has_described_children(lines, number)
    return has_described_children(lines, number)


def has_described_children(lines: list[str], number: int) -> bool:
    return number + 1 < len(lines) and lines[number + 1].startswith("  #")


def objects(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every sub-schema of an object."""
    if isinstance(schema, list):
        for index, each in enumerate(schema):
            yield from objects(each, f"{path}/{index}")
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for name, each in schema.items():
            yield from objects(each, f"{path}/{name}")


def passed_on(path: str) -> bool:
    schema = SCHEMA
    for part in path.removeprefix("/").split("/"):
        schema = schema[part]
    return str(schema.get("description", "")).endswith(PASSED_ON)


def schema_paths(schema: dict[str, Any], path: str) -> Iterator[str]:
    """The paths of all values that the schema names, maps and lists of Kubernetes' kinds as one."""
    if "properties" not in schema:
        yield path
    for name, each in schema.get("properties", {}).items():
        yield from schema_paths(each, f"{path}.{name}")


def value_paths(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    """The paths of all values in values.yaml, as deep as the schema goes."""
    if "properties" not in schema:
        yield path
        return
    for name, each in value.items():
        yield from value_paths(schema["properties"][name], each, f"{path}.{name}")
