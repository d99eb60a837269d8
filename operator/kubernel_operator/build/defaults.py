"""An administrator's defaults and a user's wishes, merged key by key. Pure.

A wish for one resource must not take the limits of all others away, nor a node selector the administrator's. These are
defaults; what a user may ask for at most is said by bounds (``decide.bounds``).
"""

from __future__ import annotations

from collections.abc import Mapping

from kubernel_api.quantity import amount, whole
from kubernel_api.resizing import RESIZABLE
from kubernel_operator.observe.facts import Json

_NEED_NO_LIMIT = ("cpu", "memory", "ephemeral-storage")


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


def whole_resources(resources: Json) -> Json:
    """With amounts of cpu and memory that Kubernetes takes as they are."""
    return {
        part: {name: whole(name, value) if name in RESIZABLE else value for name, value in amounts.items()}
        for part, amounts in resources.items()
    }


def merged_node_selector(asked: dict[str, str] | None, defaults: dict[str, str]) -> dict[str, str]:
    """Both; the administrator's word wins: kernels stay on the nodes that are for them."""
    return {**(asked or {}), **defaults}


def merged_tolerations(asked: list[Json] | None, defaults: list[Json]) -> list[Json]:
    """Both, each once."""
    own = asked or []
    return [*own, *(each for each in defaults if each not in own)]
