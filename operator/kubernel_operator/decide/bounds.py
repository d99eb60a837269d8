"""Why no pod may be made for a KernelInstance: its template is not there, or it asks for more than it may. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubernel_api.conditions import Reason
from kubernel_api.quantity import amount
from kubernel_api.resizing import RESIZABLE
from kubernel_operator.build.shape import bounds_for, encryption_of, own_runtime_class
from kubernel_operator.observe.facts import Json
from kubernel_operator.observe.observed import Observed, Refusal
from kubernel_operator.observe.template_facts import Bounds, Patterns, TemplateFacts
from kubernel_operator.settings import Settings

_DURATIONS = (
    ("activeDeadlineSeconds", "max_active_deadline_seconds", "maxActiveDeadlineSeconds"),
    ("idleTimeoutSeconds", "max_idle_timeout_seconds", "maxIdleTimeoutSeconds"),
    ("startDeadlineSeconds", "max_start_deadline_seconds", "maxStartDeadlineSeconds"),
    ("ttlSecondsAfterFinished", "max_ttl_seconds_after_finished", "maxTtlSecondsAfterFinished"),
)


def objection(spec: Json, observed: Observed, settings: Settings) -> Refusal | None:
    """Why no pod is made; None when one may be.

    Args:
        spec: of the KernelInstance, whole.
        observed: for its template.
        settings: the operator's own bounds, for those without a template.
    """
    name = spec.get("templateName")
    if name and observed.template is None:
        return Refusal(Reason.TEMPLATE_NOT_FOUND, observed.no_template or f"There is no KernelTemplate {name}.")
    found = list(_violations(spec, settings, observed.template if name else None))
    return Refusal(Reason.FORBIDDEN, " ".join(found)) if found else None


def resize_objection(spec: Json, observed: Observed, settings: Settings) -> str:
    """Why a living pod does not get the cpu and memory of its spec; "" when it may.

    Args:
        spec: of the KernelInstance.
        observed: for its template.
        settings: the operator's own bounds, for those without a template.
    """
    name = spec.get("templateName")
    if name and observed.template is None:
        return observed.no_template or f"There is no KernelTemplate {name}."
    template = observed.template if name else None
    return " ".join([*_fixed_sizes(spec, template), *_too_much(spec, settings, template)])


def allows(patterns: Patterns, name: str) -> bool:
    """Whether one of the patterns fits; ``*`` in one stands for any text. None allows all."""
    return patterns is None or any(_fits(pattern.split("*"), name) for pattern in patterns)


def _fits(parts: list[str], text: str) -> bool:
    """Without regular expressions: what an administrator writes must not take exponential time."""
    first, *middle = parts
    if not middle:
        return text == first
    last = middle.pop()
    if not text.startswith(first):
        return False
    place = len(first)
    for part in middle:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(text) - len(last) >= place and text.endswith(last)


def _violations(spec: Json, settings: Settings, template: TemplateFacts | None) -> Iterator[str]:
    bounds = bounds_for(settings, template)
    where = _where(template)
    for field, value, patterns, bound in _names(spec, bounds):
        if not allows(patterns, value):
            yield f"{field}: {value} is not allowed; {bound} of {where} has {_listed(patterns)}."
    yield from _runtime_class(spec, settings, template, bounds)
    if template is not None:
        for volume in spec.get("volumes") or []:
            if volume["name"] in template.volumes:
                yield f"spec.volumes[{volume['name']}]: {where} has a volume of that name; choose another one."
    yield from _too_much(spec, settings, template)
    boost, grown = spec.get("startupCPU"), (spec.get("memory") or {}).get("max")
    for place, wanted, resource in (("startupCPU", boost, "cpu"), ("memory.max", grown, "memory")):
        most = bounds.max_resources.get(resource)
        if wanted is not None and most is not None and amount(wanted) > amount(most):
            yield f"spec.{place}: {wanted} is more than {most}, maxResources of {where}."
    lifecycle = spec.get("lifecycle") or {}
    for field, attribute, bound in _DURATIONS:
        most = getattr(bounds, attribute)
        if most is not None and (lifecycle.get(field) or 0) > most:
            yield f"spec.lifecycle.{field}: {lifecycle[field]} is more than {most}, {bound} of {where}."


def _where(template: TemplateFacts | None) -> str:
    return f"KernelTemplate {template.name}" if template else "the operator's kernelBounds"


def _too_much(spec: Json, settings: Settings, template: TemplateFacts | None) -> Iterator[str]:
    bounds = bounds_for(settings, template)
    for part, name, asked in _resources(spec.get("resources")):
        most = bounds.max_resources.get(name)
        if most is not None and amount(asked) > amount(most):
            yield f"spec.resources.{part}.{name}: {asked} is more than {most}, maxResources of {_where(template)}."


def _fixed_sizes(spec: Json, template: TemplateFacts | None) -> Iterator[str]:
    """A template's own word on the kernel's container stands over that of any spec."""
    given = {(part, name): amount for part, name, amount in _resources(spec.get("resources"))}
    for part, name, fixed in _resources(template.kernel_container.get("resources") if template else None):
        if name in RESIZABLE and (part, name) in given:
            yield f"spec.resources.{part}.{name}: {_where(template)} has set it to {fixed}."


def _resources(resources: Json | None) -> Iterator[tuple[str, str, Any]]:
    """Part, name and amount of each."""
    for part in ("requests", "limits"):
        for name, asked in ((resources or {}).get(part) or {}).items():
            yield part, name, asked


def _names(spec: Json, bounds: Bounds) -> Iterator[tuple[str, str, Patterns, str]]:
    """What a spec names: field, name, what is allowed, and the bound that says so."""
    if spec.get("image"):
        yield "spec.image", spec["image"], bounds.images, "images"
    for secret in spec.get("imagePullSecrets") or []:
        yield "spec.imagePullSecrets", secret["name"], bounds.image_pull_secrets, "imagePullSecrets"
    for volume in spec.get("volumes") or []:
        if claim := volume.get("persistentVolumeClaim"):
            yield f"spec.volumes[{volume['name']}]", claim["claimName"], bounds.claims, "claims"
    for variable in spec.get("env") or []:
        yield "spec.env", variable["name"], bounds.env, "env"
    for key in spec.get("nodeSelector") or {}:
        yield "spec.nodeSelector", key, bounds.node_selector_keys, "nodeSelectorKeys"
    for toleration in spec.get("tolerations") or []:
        yield "spec.tolerations", toleration.get("key") or "(no key)", bounds.toleration_keys, "tolerationKeys"
    if spec.get("priorityClassName"):
        yield "spec.priorityClassName", spec["priorityClassName"], bounds.priority_classes, "priorityClasses"
    if spec.get("runtimeClassName"):
        yield "spec.runtimeClassName", spec["runtimeClassName"], bounds.runtime_classes, "runtimeClasses"
    yield "spec.connection.encryption", encryption_of(spec, bounds), bounds.encryption, "encryption"


def _runtime_class(spec: Json, settings: Settings, template: TemplateFacts | None, bounds: Bounds) -> Iterator[str]:
    """An administrator's RuntimeClass is a wall, such as gVisor: only ``runtimeClasses`` opens it."""
    asked, own = spec.get("runtimeClassName"), own_runtime_class(settings, template)
    if asked and own and asked != own and bounds.runtime_classes is None:
        yield f"spec.runtimeClassName: {asked} is not allowed; the administrator's is {own}."


def _listed(patterns: Patterns) -> str:
    return ", ".join(patterns) if patterns else "none"
