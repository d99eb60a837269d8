"""The CRD document: what no API server has to be asked for."""

from collections.abc import Iterator
from typing import Any

import pytest

from kubernel_api.crd import KERNEL_TEMPLATE, custom_resource_definition, open_api_schema
from kubernel_api.spec import IMMUTABLE_FIELDS, KernelInstanceSpec
from kubernel_api.structural import KEYWORDS

Schema = dict[str, Any]
VERSION = custom_resource_definition()["spec"]["versions"][0]


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every property, item and map value below a schema, with its path."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from fields(inner, f"{path}.{name}")
    for keyword, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        if keyword in schema:
            yield path + suffix, schema[keyword]
            yield from fields(schema[keyword], path + suffix)


FIELDS = dict(fields(open_api_schema()))


def rules_of(schema: Schema) -> Any:
    """A schema without what a person reads, and without defaults."""
    if isinstance(schema, dict):
        return {key: rules_of(value) for key, value in schema.items() if key not in {"description", "default"}}
    return [rules_of(item) for item in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize(
    "field",
    [
        "image",
        "imagePullPolicy",
        "imagePullSecrets",
        "env",
        "workingDir",
        "resources",
        "tolerations",
        "runtimeClassName",
        "volumes",
    ],
)
def test_a_templates_defaults_obey_the_rules_of_a_spec(field: str) -> None:
    defaults = open_api_schema(KERNEL_TEMPLATE)["properties"]["spec"]["properties"]["defaults"]["properties"]
    assert rules_of(defaults[field]) == rules_of(FIELDS[f".spec.{field}"])


def test_head() -> None:
    crd = custom_resource_definition()
    assert (crd["apiVersion"], crd["kind"]) == ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    assert crd["metadata"] == {"name": "kernelinstances.kubernel.dev"}
    assert {k: v for k, v in crd["spec"].items() if k != "versions"} == {
        "group": "kubernel.dev",
        "scope": "Namespaced",
        "names": {
            "kind": "KernelInstance",
            "listKind": "KernelInstanceList",
            "plural": "kernelinstances",
            "singular": "kernelinstance",
            "shortNames": ["ki", "kernel", "kernels"],
            "categories": ["jupyter"],
        },
    }


def test_one_version_is_served_and_stored_and_has_a_status() -> None:
    assert {k: VERSION[k] for k in ("name", "served", "storage", "subresources")} == {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
    }


def test_columns() -> None:
    columns = [(c["name"], c["type"], c.get("priority", 0)) for c in VERSION["additionalPrinterColumns"]]
    assert columns == [
        ("Phase", "string", 0),
        ("Reason", "string", 0),
        ("Kernel", "string", 0),
        ("Restarts", "integer", 0),
        ("Age", "date", 0),
        ("Pod", "string", 1),
        ("Node", "string", 1),
        ("Image", "string", 1),
        ("IP", "string", 1),
        ("Template", "string", 1),
        ("Memory", "string", 1),
        ("Limit", "string", 1),
        ("Start", "string", 1),
        ("Message", "string", 1),
    ]


def test_columns_and_selectable_fields_exist() -> None:
    columns = {column["jsonPath"] for column in VERSION["additionalPrinterColumns"]}
    selectable = {field["jsonPath"] for field in VERSION["selectableFields"]}
    assert columns | selectable <= FIELDS.keys() | {".metadata.creationTimestamp"}
    assert len(selectable) <= 8  # the API server's limit


def test_every_call_returns_a_document_of_its_own() -> None:
    custom_resource_definition()["spec"]["group"] = "changed"
    custom_resource_definition()["spec"]["names"]["shortNames"].clear()
    assert custom_resource_definition()["spec"]["group"] == "kubernel.dev"
    assert custom_resource_definition()["spec"]["names"]["shortNames"] == ["ki", "kernel", "kernels"]


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_has_a_type(path: str) -> None:
    assert FIELDS[path].get("type") or FIELDS[path].get("x-kubernetes-int-or-string")


@pytest.mark.parametrize("path", [path for path in FIELDS if not path.endswith(("]", "*"))])
def test_every_field_is_explained(path: str) -> None:
    if path == ".metadata":
        assert FIELDS[path] == {"type": "object"}  # the API server allows nothing more
    else:
        assert FIELDS[path]["description"].endswith(".")


@pytest.mark.parametrize("path", FIELDS)
def test_only_keywords_of_a_structural_schema(path: str) -> None:
    assert FIELDS[path].keys() <= set(KEYWORDS)
    assert "nullable" not in FIELDS[path]


@pytest.mark.parametrize("path", [path for path in FIELDS if path.startswith(".spec")])
def test_everything_in_spec_has_bounds(path: str) -> None:
    """The API server could not estimate the cost of a rule otherwise."""
    schema = FIELDS[path]
    needed = {"string": "maxLength", "array": "maxItems", "integer": "minimum"}.get(schema.get("type", ""))
    inherited = path == ".spec.kernel.argv[]"
    assert needed is None or needed in schema or "enum" in schema or inherited
    assert "additionalProperties" not in schema or "maxProperties" in schema


def test_lists_of_named_things_refuse_two_of_one_name() -> None:
    keys = {
        path: schema["x-kubernetes-list-map-keys"]
        for path, schema in FIELDS.items()
        if "items" in schema and schema.get("x-kubernetes-list-type") == "map"
    }
    assert keys == {
        ".spec.imagePullSecrets": ["name"],
        ".spec.env": ["name"],
        ".spec.volumes": ["name"],
        ".status.conditions": ["type"],
    }


def test_every_field_of_spec_is_immutable_or_known_to_change() -> None:
    names = {field.alias for field in KernelInstanceSpec.model_fields.values()}
    assert names == {
        *IMMUTABLE_FIELDS,
        "env",
        "resources",
        "memory",
        "suspend",
        "lifecycle",
        "owner",
        "restartGeneration",
    }


def test_immutable_fields_are_compared_where_adding_and_removing_is_seen_too() -> None:
    rules = FIELDS[".spec"]["x-kubernetes-validations"]
    assert rules[0] == {
        "rule": "has(self.image) == has(oldSelf.image) && (!has(self.image) || self.image == oldSelf.image)",
        "message": "image is immutable: it shapes the pod; delete the KernelInstance and create another",
        "reason": "FieldValueForbidden",
        "fieldPath": ".image",
    }
    assert [rule["fieldPath"] for rule in rules] == [
        f".{field}" for field in (*IMMUTABLE_FIELDS, "resources", "resources", "memory", "restartGeneration")
    ]


def test_transition_rules_stand_on_spec_and_where_adding_and_removing_is_seen_one_level_above() -> None:
    """A rule with oldSelf does not run when its own field comes or goes; spec has a default and is always there."""
    holders = {
        path
        for path, schema in FIELDS.items()
        if any("oldSelf" in rule["rule"] for rule in schema.get("x-kubernetes-validations", []))
    }
    amounts = {".spec.resources.requests", ".spec.resources.limits"}
    assert holders == {".spec", ".spec.resources", *amounts}


def test_the_default_of_status_is_that_no_operator_has_seen_it() -> None:
    message = "No operator has seen this KernelInstance yet."
    common = {
        "reason": "WaitingForOperator",
        "message": message,
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    assert FIELDS[".status"]["default"] == {
        "phase": "Pending",
        "reason": "WaitingForOperator",
        "message": message,
        "conditions": [
            {"type": "Ready", "status": "Unknown"} | common,
            {"type": "Reconciling", "status": "True"} | common,
        ],
    }
