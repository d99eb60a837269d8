"""What may change of ``spec.resources`` while a kernel lives, as CEL rules.

Kubernetes resizes cpu and memory of a living pod, takes none of them away, and never changes the pod's QoS class.
Defaults of the operator are not known here: what the spec alone decides is refused at once, the rest by the operator.

A rule that compares with the old object runs only where its field was there before and after; so adding and removing
are looked at one level above.
"""

from __future__ import annotations

from typing import Final

from .fields import Extra, rule

#: What a living pod can get more or less of.
RESIZABLE: Final = ("cpu", "memory")

_OTHERS_STAY: Final = (
    "of resources only cpu and memory may change, the others shape the pod: delete the KernelInstance and create "
    "another"
)
_NONE_GOES: Final = "resources can be changed and not be taken away: name the new amount"
_QOS_STAYS: Final = (
    "a living pod keeps its QoS class: where requests and limits of cpu and memory are equal, change both together; "
    "where they are not, keep one request below its limit"
)


def _forbidden(expression: str, message: str) -> Extra:
    return rule(expression, message, reason="FieldValueForbidden")


def _resizable(names: str) -> str:
    return f"{names}.all(name, name == 'cpu' || name == 'memory')"


def _compared(owner: str, name: str, how: str) -> str:
    """Whether request and limit are both given, and compare so."""
    request, limit = f"{owner}.requests['{name}']", f"{owner}.limits['{name}']"
    return (
        f"('{name}' in {owner}.requests && '{name}' in {owner}.limits"
        f" && isQuantity(string({request})) && isQuantity(string({limit}))"
        f" && quantity(string({request})).compareTo(quantity(string({limit}))) {how} 0)"
    )


def _guaranteed(owner: str) -> str:
    return f"{_compared(owner, 'cpu', '==')} && {_compared(owner, 'memory', '==')}"


def _not_guaranteed(owner: str) -> str:
    return f"({_compared(owner, 'cpu', '!=')} || {_compared(owner, 'memory', '!=')})"


#: On ``requests`` and on ``limits``.
AMOUNTS_RULES: Final = (
    _forbidden(
        "self.all(name, name == 'cpu' || name == 'memory' || (name in oldSelf && self[name] == oldSelf[name]))",
        _OTHERS_STAY,
    ),
    _forbidden("oldSelf.all(name, name in self)", _NONE_GOES),
)
#: On ``resources``.
RESOURCES_RULES: Final = (
    _forbidden(
        " && ".join(
            f"(has(oldSelf.{part}) || !has(self.{part}) || {_resizable(f'self.{part}')})"
            for part in ("requests", "limits")
        ),
        _OTHERS_STAY,
    ),
    _forbidden(
        " && ".join(f"(has(self.{part}) || !has(oldSelf.{part}))" for part in ("requests", "limits")), _NONE_GOES
    ),
    _forbidden(
        "!has(self.requests) || !has(self.limits) || !has(oldSelf.requests) || !has(oldSelf.limits)"
        f" || (!({_guaranteed('oldSelf')} && {_not_guaranteed('self')})"
        f" && !({_not_guaranteed('oldSelf')} && {_guaranteed('self')}))",
        _QOS_STAYS,
    ),
)
#: On the spec.
SPEC_RULES: Final = (
    rule(
        "has(oldSelf.resources) || !has(self.resources) || ("
        + " && ".join(
            f"(!has(self.resources.{part}) || {_resizable(f'self.resources.{part}')})"
            for part in ("requests", "limits")
        )
        + ")",
        _OTHERS_STAY,
        field="resources",
        reason="FieldValueForbidden",
    ),
    rule("has(self.resources) || !has(oldSelf.resources)", _NONE_GOES, field="resources", reason="FieldValueForbidden"),
)
