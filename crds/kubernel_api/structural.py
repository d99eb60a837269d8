"""JSON Schema as pydantic writes it, turned into the structural schema that a CustomResourceDefinition wants.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/, "Specifying a
structural schema". A keyword that is not known here is an error, never silently lost.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

#: Keywords in the order in which they are written: what a field is, then its bounds, then its parts.
KEYWORDS: Final = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "anyOf",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
    "required",
    "properties",
    "additionalProperties",
    "items",
)
_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]


def structural(schema: Schema) -> Schema:
    """A structural schema with the meaning of ``schema``: references inlined, optional fields optional, not nullable.

    Args:
        schema: what pydantic's ``model_json_schema`` returns, ``$defs`` included.

    Raises:
        ValueError: a keyword or a union that a CustomResourceDefinition cannot express.
    """
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    found = _without_noise(_resolved(schema, definitions))
    if unknown := sorted(set(found) - set(KEYWORDS)):
        raise ValueError(f"no CustomResourceDefinition can express {unknown} of {schema}")
    return {keyword: _parts(keyword, found[keyword], definitions) for keyword in KEYWORDS if keyword in found}


def _parts(keyword: str, value: Any, definitions: dict[str, Schema]) -> Any:
    """Converts the schemas inside a schema; everything else is a plain value."""
    if keyword == "properties":
        return {name: _convert(schema, definitions) for name, schema in value.items()}
    if keyword in {"items", "additionalProperties"}:
        return _convert(value, definitions)
    if keyword == "description":
        return " ".join(value.split())  # a docstring of several lines
    return value


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Follows ``$ref`` and ``anyOf [X, null]``; what stands beside them wins over what they lead to."""
    beside = {k: v for k, v in schema.items() if k not in {"$ref", "anyOf", "$defs"}}
    if "$ref" in schema:
        return _resolved(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions) | beside
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        return _resolved(choices[0], definitions) | beside
    if choices and choices != _INT_OR_STRING:
        raise ValueError(f"no CustomResourceDefinition can express the union {choices}")
    return beside | ({"anyOf": choices} if choices else {})


def _without_noise(schema: Schema) -> Schema:
    """Drops what says nothing in a CRD: titles, defaults of None, (dis)allowed further properties; const is an enum."""
    found = {k: v for k, v in schema.items() if k != "title"}
    if "default" in found and found["default"] is None:
        del found["default"]
    if isinstance(found.get("additionalProperties"), bool):
        del found["additionalProperties"]
    if "const" in found:
        found["enum"] = [found.pop("const")]
    return found
