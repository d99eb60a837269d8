"""Amounts as Kubernetes writes them: 2, 500m, 1.5Gi."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

_AMOUNT = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
# Kubernetes takes any, and counts no further than 2**63.
_EXPONENT_MAX = 50
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def memory(size: Decimal) -> str:
    """A number of bytes as people write it, 300Mi or 2Gi; empty for less than 1Mi."""
    mebibytes = int(size / (1 << 20))
    if mebibytes and mebibytes % 1024 == 0:
        return f"{mebibytes // 1024}Gi"
    return f"{mebibytes}Mi" if mebibytes > 0 else ""


@lru_cache  # the same few texts, again and again
def amount(quantity: int | str) -> Decimal:
    """A Kubernetes quantity as a number; the API server has checked its form, or will refuse the pod."""
    found = _AMOUNT.fullmatch(str(quantity))
    if found is None:
        return Decimal(0)
    number, unit = Decimal(found[1]), found[2] or ""
    if unit in _BINARY:
        return number * (1 << _BINARY[unit])
    exponent = _DECIMAL[unit] if unit in _DECIMAL else int(unit[1:] or 0)
    return number.scaleb(max(-_EXPONENT_MAX, min(exponent, _EXPONENT_MAX)))


@lru_cache
def whole(resource: str, quantity: int | str) -> str:
    """An amount of cpu or memory that Kubernetes need not round up, as it does to 1m and to whole bytes.

    A kubelet compares what it has rounded with what was asked for, and then goes on resizing a pod for ever.
    """
    parts, unit = (1000, "m") if resource == "cpu" else (1, "")
    exact = amount(quantity) * parts
    rounded = exact.to_integral_value(ROUND_CEILING)
    return str(quantity) if exact == rounded else f"{rounded:f}{unit}"
