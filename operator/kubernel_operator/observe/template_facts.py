"""A KernelTemplate, and an administrator's bounds, as decisions read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic.alias_generators import to_camel

from .facts import Condition, Json, conditions_of, part

Patterns = tuple[str, ...] | None  # None: not bounded; (): nothing is allowed


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a KernelInstance may ask for; see ``kubernel_api.template``.

    Attributes:
        max_resources: highest amount by resource name.
    """

    images: Patterns = None
    image_pull_secrets: Patterns = None
    claims: Patterns = None
    env: Patterns = None
    node_selector_keys: Patterns = None
    toleration_keys: Patterns = None
    priority_classes: Patterns = None
    runtime_classes: Patterns = None
    encryption: Patterns = None
    max_resources: Mapping[str, int | str] = field(default_factory=dict)
    max_active_deadline_seconds: int | None = None
    max_idle_timeout_seconds: int | None = None
    max_start_deadline_seconds: int | None = None
    max_ttl_seconds_after_finished: int | None = None


UNBOUNDED = Bounds()


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """A KernelTemplate.

    Attributes:
        generation: metadata.generation.
        observed_generation: the one that its status is about.
        pod: what is laid over pods, as a PodTemplate.
        defaults: of a KernelInstance's spec.
        raw_conditions: of its status, as they were sent.
    """

    name: str
    uid: str
    generation: int = 1
    observed_generation: int | None = None
    pod: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    bounds: Bounds = UNBOUNDED
    conditions: tuple[Condition, ...] = ()
    raw_conditions: tuple[Json, ...] = ()

    @property
    def kernel_container(self) -> Json:
        """What is laid over the kernel's own container."""
        from_name = named(part(self.pod, "spec").get("containers"))
        return from_name.get("kernel", {})

    @property
    def volumes(self) -> frozenset[str]:
        """Names of its volumes."""
        return frozenset(named(part(self.pod, "spec").get("volumes")))


def named(items: Any) -> dict[str, Json]:
    """The objects of a list by their names. What is written in a pod's overlay no schema has checked."""
    found = items if isinstance(items, list) else []
    return {item["name"]: item for item in found if isinstance(item, dict) and isinstance(item.get("name"), str)}


def template_facts(obj: Json) -> TemplateFacts:
    """From a KernelTemplate."""
    meta, spec, status = obj["metadata"], part(obj, "spec"), part(obj, "status")
    return TemplateFacts(
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation") or 1),
        observed_generation=status.get("observedGeneration"),
        pod=part(spec, "pod"),
        defaults=part(spec, "defaults"),
        bounds=bounds_of(part(spec, "bounds")),
        conditions=conditions_of(status),
        raw_conditions=tuple(status.get("conditions") or ()),
    )


def bounds_of(found: Json) -> Bounds:
    """From ``bounds`` of a KernelTemplate, or the operator's own."""
    said: dict[str, Any] = {f.name: found.get(to_camel(f.name)) for f in fields(Bounds)}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items() if v is not None}
    return Bounds(**values)
