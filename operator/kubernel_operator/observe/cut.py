"""What is kept of an object: a positive list of its fields, each with a bound.

Whatever a tenant can write ends up in the memory of one process that serves everybody, so nothing is kept because
nobody thought of it. What is not kept never becomes an object in the first place: to read ten thousand kernels and
their pods whole was half of the work of a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import SchemaValidator
from pydantic_core import core_schema as schema

#: A dict names fields; a list of one applies to each item; a number is how many characters of a text are kept (the
#: last ones when it is negative); ``AS_IS`` keeps what the CRD bounds.
Fields = Any
AS_IS: Fields = ...
NUMBER: Fields = 1  # or whether
ITEMS_MAX = 32

#: Reads JSON.
Read = Callable[[bytes], Any]


def cut(value: Any, fields: Fields) -> Any:
    """What ``fields`` names of a decoded JSON value; the value itself stays as it is.

    Returns:
        None where the value is of another kind than was expected.
    """
    if fields is AS_IS:
        return value
    if isinstance(fields, dict):
        if not isinstance(value, dict):
            return None
        kept = ((name, cut(value[name], wanted)) for name, wanted in fields.items() if name in value)
        return {name: part for name, part in kept if part is not None}
    if isinstance(fields, list):
        return [cut(item, fields[0]) for item in value[:ITEMS_MAX]] if isinstance(value, list) else None
    if isinstance(value, str):
        return value[:fields] if fields > 0 else value[fields:]
    return value if isinstance(value, bool | int | float) else None


def page_reader(fields: Fields) -> Read:
    """Reads a page of a LIST: what is needed to go on with it, and its items as ``cut`` leaves them.

    It raises ValueError: that is no such page.
    """
    metadata = _named({"resourceVersion": schema.any_schema(), "continue": schema.any_schema()})
    items = schema.nullable_schema(schema.list_schema(_cut_item(fields)))
    return SchemaValidator(_named({"metadata": metadata, "items": items})).validate_json


def event_reader(fields: Fields) -> Read:
    """Reads an event of a watch, with its object as ``cut`` leaves it.

    It raises ValueError: that is no such event.
    """
    return SchemaValidator(_named({"type": schema.any_schema(), "object": _cut_item(fields)})).validate_json


def _cut_item(fields: Fields) -> schema.CoreSchema:
    """What is as ``fields`` expect, which takes a third of the time; anything else the long way."""
    other = schema.no_info_after_validator_function(lambda value: cut(value, fields), schema.any_schema())
    return schema.union_schema([_as_expected(fields), other], mode="left_to_right")


def _as_expected(fields: Fields) -> schema.CoreSchema:
    """JSON of which nothing but names must be left out."""
    if fields is AS_IS:
        return schema.dict_schema()
    if isinstance(fields, dict):
        return _named({name: _as_expected(wanted) for name, wanted in fields.items()})
    if isinstance(fields, list):
        return schema.list_schema(_as_expected(fields[0]), max_length=ITEMS_MAX)
    if fields == NUMBER:
        kinds = schema.bool_schema(strict=True), schema.int_schema(strict=True), schema.float_schema(strict=True)
        return schema.union_schema(list(kinds), mode="left_to_right")
    return schema.str_schema(strict=True, max_length=abs(fields))


def _named(fields: dict[str, schema.CoreSchema]) -> schema.CoreSchema:
    """An object of which only these fields are kept, those that it has."""
    return schema.typed_dict_schema(
        {name: schema.typed_dict_field(wanted, required=False) for name, wanted in fields.items()}
    )
