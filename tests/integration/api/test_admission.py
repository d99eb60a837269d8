"""What the API server takes and what it refuses: examples, bad objects, updates."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.kubectl import Kubectl, Object
from kubernel_api.spec import IMMUTABLE_FIELDS

Build = Callable[..., Object]
ROOT = Path(__file__).parents[3]
BAD_OBJECTS = sorted((ROOT / "tests" / "bad-objects").glob("*.yaml"))
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))

#: A value and another for every field that shapes the pod.
TWO_VALUES: dict[str, tuple[Any, Any]] = {
    "image": ("example.com/kernel:1", "example.com/kernel:2"),
    "imagePullPolicy": ("Always", "Never"),
    "imagePullSecrets": ([{"name": "one"}], [{"name": "one"}, {"name": "two"}]),
    "kernel": ({"name": "ir"}, {"name": "ir", "interruptMode": "signal"}),
    "env": ([{"name": "COLOUR", "value": "red"}], [{"name": "COLOUR", "value": "blue"}]),
    "workingDir": ("/work", "/home"),
    "nodeSelector": ({"pool": "one"}, {"pool": "two"}),
    "tolerations": (
        [{"key": "gpu", "operator": "Exists"}],
        [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    ),
    "runtimeClassName": ("gvisor", "kata"),
    "priorityClassName": ("low", "high"),
    "volumes": (
        [{"name": "data", "mountPath": "/data", "emptyDir": {}}],
        [{"name": "data", "mountPath": "/data", "emptyDir": {"medium": "Memory"}}],
    ),
    "connection": ({"service": "None"}, {"service": "None", "encryption": "Curve"}),
    "templateName": ("gpu", "cpu"),
    "startupCPU": ("1", "2"),
}


def largest_spec() -> dict[str, Any]:
    """As much of everything as the bounds allow at once; what a rule costs grows with it."""
    value = "x" * (256 - len("VARIABLE_000"))  # 256 of 256 bytes are 64 KiB
    long_path = "/" + "p" * 1000
    return {
        "image": "i" * 1024,
        "kernel": {"argv": ["a" * 512] * 64},
        "env": [{"name": f"VARIABLE_{i:03}", "value": value} for i in range(256)],
        "workingDir": long_path,
        "resources": {
            "requests": {f"example.com/device-{i}": "1" for i in range(16)},
            "limits": {f"example.com/device-{i}": "1" for i in range(16)},
        },
        "nodeSelector": {f"{'d' * 253}/key-{i}": "v" * 63 for i in range(32)},
        "tolerations": [{"key": f"{'d' * 253}/key-{i}", "value": "v" * 63} for i in range(32)],
        "volumes": [
            {"name": f"volume-{i}", "mountPath": f"{long_path}{i:02}", "subPath": "s" * 1024, "emptyDir": {}}
            for i in range(32)
        ],
    }


def expected_refusal(path: Path) -> str:
    first, _ = path.read_text().split("\n", 1)
    assert first.startswith("# refused: "), f"{path} does not say in its first line what refuses it"
    return first.removeprefix("# refused: ")


def try_to_apply(kubectl: Kubectl, document: str | Object) -> subprocess.CompletedProcess[str]:
    """As a person does, on the client's side; nothing is stored."""
    text = document if isinstance(document, str) else json.dumps(document)
    return kubectl("apply", "--dry-run=server", "-f", "-", stdin=text, check=False)


@pytest.mark.parametrize("path", BAD_OBJECTS, ids=lambda path: path.stem)
def test_bad_object_is_refused_with_a_message_that_names_the_field(crowded: Kubectl, path: Path) -> None:
    *before, bad = path.read_text().split("\n---\n")
    for document in before:
        crowded("apply", "-f", "-", stdin=document)
    refused = try_to_apply(crowded, bad)
    assert expected_refusal(path) in refused.stderr
    assert refused.returncode == 1


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_taken_by_plain_apply(crowded: Kubectl, path: Path) -> None:
    taken = try_to_apply(crowded, path.read_text())
    assert (taken.returncode, taken.stderr) == (0, "")


@pytest.mark.parametrize("field", IMMUTABLE_FIELDS)
@pytest.mark.parametrize("how", ["changed", "added", "removed"])
def test_what_shapes_the_pod_is_immutable(crowded: Kubectl, kernel_instance: Build, field: str, how: str) -> None:
    one, two = TWO_VALUES[field]
    absent: dict[str, Any] = {}
    before, after = {
        "changed": ({field: one}, {field: two}),
        "added": (absent, {field: one}),
        "removed": ({field: one}, absent),
    }[how]
    crowded.apply(kernel_instance(**before))
    refused = try_to_apply(crowded, kernel_instance(**after))
    assert f"spec.{field}: Forbidden: {field} is immutable" in refused.stderr
    assert refused.returncode == 1


def test_lifecycle_and_a_higher_restart_generation_may_change(crowded: Kubectl, kernel_instance: Build) -> None:
    lifecycle = {
        "startDeadlineSeconds": 60,
        "idleTimeoutSeconds": 600,
        "activeDeadlineSeconds": 3600,
        "ttlSecondsAfterFinished": 0,
        "leaseName": "jupyter-alice",
    }
    changed = kernel_instance(lifecycle=lifecycle, restartGeneration=1)
    crowded.apply(kernel_instance())
    crowded.apply(changed)
    spec = crowded.json("get", "kernel", changed["metadata"]["name"])["spec"]
    assert (spec["lifecycle"], spec["restartGeneration"]) == (lifecycle, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "2Gi"}}, id="more"),
        pytest.param(None, {"limits": {"memory": "2Gi"}}, id="added"),
        pytest.param({"requests": {"cpu": 1}}, {"requests": {"cpu": 1}, "limits": {"memory": "2Gi"}}, id="a limit"),
        pytest.param(
            {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": 1}},
            {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": 1, "memory": "2Gi", "nvidia.com/gpu": 1}},
            id="Guaranteed",
        ),
    ],
)
def test_cpu_and_memory_may_change(crowded: Kubectl, kernel_instance: Build, before: Any, after: Any) -> None:
    crowded.apply(kernel_instance(**({} if before is None else {"resources": before})))
    changed = try_to_apply(crowded, kernel_instance(resources=after))
    assert (changed.returncode, changed.stderr) == (0, "")


def test_the_largest_object_is_taken_and_can_be_changed(crowded: Kubectl, kernel_instance: Build) -> None:
    crowded.apply(kernel_instance(**largest_spec()))
    changed = try_to_apply(crowded, kernel_instance(**largest_spec(), restartGeneration=1))
    assert (changed.returncode, changed.stderr) == (0, "")


def test_one_byte_of_environment_more_is_refused(crowded: Kubectl, kernel_instance: Build) -> None:
    spec = largest_spec()
    spec["env"][0]["value"] += "x"
    refused = try_to_apply(crowded, kernel_instance(**spec))
    assert "spec.env: Invalid value: names and values of env are more than 64 KiB in all" in refused.stderr


def test_name_of_52_characters_is_taken(crowded: Kubectl, kernel_instance: Build) -> None:
    taken = try_to_apply(crowded, kernel_instance(metadata_name="k-" + "a" * 50))
    assert (taken.returncode, taken.stderr) == (0, "")
