"""What the models of spec and status are made of: the base model, bounded types, and CEL rules.

A CEL rule becomes ``x-kubernetes-validations``: the API server refuses an object for which it is false. The API server
also estimates what a rule may cost and refuses a CRD that is too expensive, so whatever a rule reads has bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

Extra = dict[str, JsonValue]


class Model(BaseModel):
    """camelCase on the wire, closed to unknown fields."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", validate_default=True)


def rule(expression: str, message: str, *, field: str | None = None, reason: str | None = None) -> Extra:
    """A CEL rule.

    Args:
        expression: must be true of ``self`` (and ``oldSelf``, on an update).
        message: what the person reads when it is not.
        field: the field, below the one that holds the rule, that the error names.
        reason: how the error is classed, "FieldValueInvalid" by default.
    """
    found: Extra = {"rule": expression, "message": message}
    if reason is not None:
        found["reason"] = reason
    if field is not None:
        found["fieldPath"] = f".{field}"
    return found


def rules(*found: Extra) -> Extra:
    """CEL rules as ``json_schema_extra`` of a field or model."""
    return {"x-kubernetes-validations": list(found)}


def host_name(length: int, use: str) -> Extra:
    """A rule on a whole object, whose name ends up in host names.

    Args:
        length: of the name, in characters, at most.
        use: what becomes of it, for the message: "becomes a host name".
    """
    return rule(
        f"self.metadata.name.size() <= {length} && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        f"metadata.name {use}: at most {length} lower case letters, digits and -, no dot, and no - at either end",
    )


def immutable(field: str) -> Extra:
    """A rule on the object that holds ``field``: a rule on ``field`` would not run when it is added or removed."""
    return rule(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} is immutable: it shapes the pod; delete the KernelInstance and create another",
        field=field,
        reason="FieldValueForbidden",
    )


def unique_by(key: str) -> Extra:
    """A list whose items are told apart by ``key``: the API server refuses two of the same."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


#: An object that is always written whole, and so has one owner: managedFields would else name each of its fields.
ATOMIC: Extra = {"x-kubernetes-map-type": "atomic"}

Encryption = Literal["Disabled", "Auto", "Curve"]
Port = Annotated[int, Field(ge=1, le=65535)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]

_AMOUNT = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)
_IMAGE = re.compile(r"[a-zA-Z0-9\[][a-zA-Z0-9._:/@+\[\]-]*")
_NO_IMAGE = "is no image name such as quay.io/jupyter/scipy-notebook:2026-07-28"
_NO_AMOUNT = "must be an amount such as 2, 500m or 1.5Gi, and not negative"


def said(message: str, is_right: Callable[[Any], bool]) -> AfterValidator:
    """What a CEL rule says, for a model that is validated here: pydantic knows no CEL."""

    def check(value: Any) -> Any:
        if not is_right(value):
            raise PydanticCustomError("rule", "{message}", {"message": message})
        return value

    return AfterValidator(check)


Image = Annotated[
    str,
    said(_NO_IMAGE, lambda image: bool(_IMAGE.fullmatch(image))),
    Field(
        max_length=1024,
        json_schema_extra=rules(rule(r"self.matches('^[a-zA-Z0-9\\[][a-zA-Z0-9._:/@+\\[\\]-]*$')", _NO_IMAGE)),
    ),
]
#: As Kubernetes writes amounts, but not negative. Not a pattern: its message would be a regular expression.
Quantity = Annotated[
    int | str,
    said(_NO_AMOUNT, lambda value: value >= 0 if isinstance(value, int) else bool(_AMOUNT.fullmatch(value))),
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "maxLength": 32,  # holds any real amount
            **rules(
                rule(
                    "type(self) == int ? self >= 0 : isQuantity(self) && !quantity(self).isLessThan(quantity('0'))",
                    _NO_AMOUNT,
                )
            ),
        }
    ),
]

#: The name of an object: RFC 1123 subdomain, as for most kinds.
ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
]

#: A text that a process can be given: no NUL character, which would end it.
ProcessText = Annotated[str, Field(pattern=r"^[^\x00]*$")]

#: Linux allows 4096; a cluster's paths are short, and what a rule reads has to be bounded.
AbsolutePath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        json_schema_extra=rules(rule(r"self.startsWith('/') && !self.contains('\x00')", "must be an absolute path")),
    ),
]
