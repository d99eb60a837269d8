"""JSON Schema to structural schema, one construct at a time."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from kubernel_api.structural import structural


class Part(BaseModel):
    """A part,
    described on two lines."""

    size: int


class Whole(BaseModel):
    """A whole."""

    part: Part
    described: Annotated[Part, Field(description="Its own words.")]
    optional: Annotated[Part | None, Field(default=None)]
    parts: Annotated[list[Part], Field(default=[], max_length=3)]
    constant: Literal["only"]


PART = {
    "description": "A part, described on two lines.",
    "type": "object",
    "required": ["size"],
    "properties": {"size": {"type": "integer"}},
}


def test_a_model_becomes_a_schema_without_references_titles_and_null() -> None:
    assert structural(Whole.model_json_schema()) == {
        "description": "A whole.",
        "type": "object",
        "required": ["part", "described", "constant"],
        "properties": {
            "part": PART,
            "described": PART | {"description": "Its own words."},
            "optional": PART,
            "parts": {"type": "array", "default": [], "maxItems": 3, "items": PART},
            "constant": {"type": "string", "enum": ["only"]},
        },
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(
            {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            {"type": "string"},
            id="optional",
        ),
        pytest.param(
            {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
            {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
            id="int or string",
        ),
        pytest.param(
            {
                "anyOf": [
                    {"anyOf": [{"type": "integer"}, {"type": "string"}], "maxLength": 3},
                    {"type": "null"},
                ],
                "description": "Amount.",
            },
            {"description": "Amount.", "anyOf": [{"type": "integer"}, {"type": "string"}], "maxLength": 3},
            id="optional int or string",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": False}, {"type": "object"}, id="closed to further properties"
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "string", "title": "V"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
            id="map",
        ),
        pytest.param({"type": "boolean", "default": False}, {"type": "boolean", "default": False}, id="default"),
        pytest.param(
            {"$defs": {"A": {"type": "string", "title": "A"}}, "$ref": "#/$defs/A"}, {"type": "string"}, id="reference"
        ),
        pytest.param(
            {"type": "object", "properties": {"default": {"type": "string", "title": "Default"}}},
            {"type": "object", "properties": {"default": {"type": "string"}}},
            id="a property with the name of a keyword",
        ),
    ],
)
def test_constructs(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert structural(schema) == expected


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        pytest.param({"type": "integer", "exclusiveMinimum": 0}, r"\['exclusiveMinimum'\]", id="keyword"),
        pytest.param({"anyOf": [{"type": "string"}, {"type": "boolean"}]}, "the union", id="union"),
        pytest.param(
            {"type": "object", "properties": {"a": {"oneOf": []}}}, r"\['oneOf'\]", id="keyword inside a property"
        ),
    ],
)
def test_what_a_crd_cannot_express_is_an_error(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        structural(schema)


def test_keywords_come_in_one_order_whatever_the_order_they_were_found_in() -> None:
    schema = {"properties": {}, "required": [], "type": "object", "description": "D"}
    assert list(structural(schema)) == ["description", "type", "required", "properties"]
