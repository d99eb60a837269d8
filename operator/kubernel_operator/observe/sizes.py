"""cpu and memory of a container: what Kubernetes changes while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubernel_api.quantity import amount, whole
from kubernel_api.resizing import RESIZABLE

from .facts import Json, part

Amounts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Requests and limits by resource name, as they were written, but for fractions that Kubernetes rounds up."""

    requests: Amounts = field(default_factory=dict)
    limits: Amounts = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.requests or self.limits)

    def has(self, wanted: Sizes) -> bool:
        """Whether all that ``wanted`` names is so here; 1000m is 1."""
        return _within(wanted.requests, self.requests) and _within(wanted.limits, self.limits)

    def same(self, other: Sizes) -> bool:
        """Whether both say the same."""
        return self.has(other) and other.has(self)

    def as_json(self) -> Json:
        """As Kubernetes writes it."""
        both = {"requests": dict(self.requests), "limits": dict(self.limits)}
        return {name: amounts for name, amounts in both.items() if amounts}

    def __str__(self) -> str:
        """For people: limits, and requests where there is no limit."""
        words = []
        for name in RESIZABLE:
            if name in self.limits:
                words.append(f"{name} {self.limits[name]}")
            elif name in self.requests:
                words.append(f"{name} {self.requests[name]} requested")
        return ", ".join(words)


def sizes(resources: Json) -> Sizes:
    """From ``resources`` of a container or of a KernelInstance's spec."""
    return Sizes(_amounts(part(resources, "requests")), _amounts(part(resources, "limits")))


def _amounts(amounts: Json) -> dict[str, str]:
    return {name: whole(name, amounts[name]) for name in RESIZABLE if name in amounts}


def _within(wanted: Amounts, known: Amounts) -> bool:
    return all(name in known and amount(known[name]) == amount(value) for name, value in wanted.items())
