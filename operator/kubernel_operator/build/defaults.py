"""An administrator's defaults and a user's wishes, merged key by key. Pure.

A wish for one resource must not take the limits of all others away, nor a node selector the administrator's. These are
defaults; what a user may ask for at most is said by bounds (``decide.bounds``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

_AMOUNT = re.compile(r"([0-9.]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NEED_NO_LIMIT = ("cpu", "memory", "ephemeral-storage")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def merged_resources(asked: Json | None, defaults: Json) -> Json:
    """Requests and limits by resource name. Where a default contradicts a wish, it follows the wish."""
    wanted = {part: (asked or {}).get(part) or {} for part in ("requests", "limits")}
    requests = {**(defaults.get("requests") or {}), **wanted["requests"]}
    limits = {**(defaults.get("limits") or {}), **wanted["limits"]}
    for name in requests.keys() & limits.keys():
        if amount(requests[name]) > amount(limits[name]):
            if name in wanted["limits"]:
                requests[name] = limits[name]
            else:
                limits[name] = requests[name]
    return {part: amounts for part, amounts in (("requests", requests), ("limits", limits)) if amounts}


def capped_resources(resources: Json, most: Mapping[str, int | str]) -> Json:
    """Within bounds; whatever has no limit of those that need none gets one.

    Args:
        resources: requests and limits.
        most: highest amount by resource name.
    """
    found = {part: dict(resources.get(part) or {}) for part in ("requests", "limits")}
    for name, highest in most.items():
        for amounts in found.values():
            if name in amounts and amount(amounts[name]) > amount(highest):
                amounts[name] = highest
        if name in _NEED_NO_LIMIT and name not in found["limits"]:
            found["limits"][name] = highest
            found["requests"].setdefault(name, "0")  # else the API server takes the limit
    return {part: amounts for part, amounts in found.items() if amounts}


def merged_node_selector(asked: dict[str, str] | None, defaults: dict[str, str]) -> dict[str, str]:
    """Both; the administrator's word wins: kernels stay on the nodes that are for them."""
    return {**(asked or {}), **defaults}


def merged_tolerations(asked: list[Json] | None, defaults: list[Json]) -> list[Json]:
    """Both, each once."""
    own = asked or []
    return [*own, *(each for each in defaults if each not in own)]


def amount(quantity: int | str) -> Decimal:
    """A Kubernetes quantity as a number; the API server has checked its form, or will refuse the pod."""
    found = _AMOUNT.fullmatch(str(quantity))
    if found is None:
        return Decimal(0)
    number, unit = Decimal(found[1]), found[2] or ""
    if unit in _BINARY:
        return number * (1 << _BINARY[unit])
    return number.scaleb(_DECIMAL[unit] if unit in _DECIMAL else int(unit[1:] or 0))
