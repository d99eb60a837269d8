"""What is kept of an object: a positive list of its fields, each with a bound.

Whatever a tenant can write ends up in the memory of one process that serves everybody, so nothing is kept because
nobody thought of it.
"""

from __future__ import annotations

from typing import Any

#: A dict names fields; a list of one applies to each item; a number is how many characters of a text are kept (the
#: last ones when it is negative); ``AS_IS`` keeps what the CRD bounds.
Fields = Any
AS_IS: Fields = ...
ITEMS_MAX = 32


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
