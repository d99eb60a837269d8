"""What a KernelInstance gets: its own spec, its template's defaults, and the administrator's bounds. Pure.

What a spec may not ask for was refused before (``decide.bounds``). Here nobody is refused: what a spec leaves out comes
from the defaults, and what would collide with the template's pod yields.
"""

from __future__ import annotations

from kubernel_api.quantity import amount, whole
from kubernel_operator.observe.facts import Json
from kubernel_operator.observe.template_facts import Bounds, TemplateFacts, named
from kubernel_operator.settings import Settings

from .defaults import capped_resources, merged_node_selector, merged_resources, merged_tolerations, whole_resources

#: Taken from the template where the KernelInstance does not say.
_SIMPLE = ("image", "imagePullPolicy", "workingDir", "runtimeClassName", "priorityClassName")


def shaped(spec: Json, settings: Settings, template: TemplateFacts | None) -> Json:
    """The spec that a pod is built from, with all defaults filled in.

    Args:
        spec: of a KernelInstance.
        settings: the operator's own defaults and bounds.
        template: its template; None for none.
    """
    defaults = template.defaults if template else {}
    bounds = bounds_for(settings, template)
    asked = merged_resources(spec.get("resources"), defaults.get("resources") or {})
    resources = capped_resources(merged_resources(asked, settings.default_resources), bounds.max_resources)
    tolerations = merged_tolerations(spec.get("tolerations"), defaults.get("tolerations") or [])
    return {
        **spec,
        **{name: spec.get(name) or defaults.get(name) or _of_settings(settings, name) for name in _SIMPLE},
        "kernel": {
            "fork": settings.fork,
            "preload": list(settings.preload),
            **(defaults.get("kernel") or {}),
            **(spec.get("kernel") or {}),
        },
        "connection": {**(spec.get("connection") or {}), "encryption": encryption_of(spec, bounds)},
        "imagePullSecrets": _by_name("name", spec, defaults, "imagePullSecrets"),
        "env": [v for v in _by_name("name", spec, defaults, "env") if v["name"] not in _variables(template)],
        "volumes": [v for v in _by_name("name", spec, defaults, "volumes") if v["name"] not in _volumes(template)],
        "resources": whole_resources(resources),
        "nodeSelector": merged_node_selector(
            {**(defaults.get("nodeSelector") or {}), **(spec.get("nodeSelector") or {})}, settings.node_selector
        ),
        "tolerations": merged_tolerations(tolerations, settings.tolerations),
    }


def encryption_of(spec: Json, bounds: Bounds) -> str:
    """Curve, Disabled, or Auto: the kernel is to show whether it can. What bounds do not leave open is no question."""
    asked = str((spec.get("connection") or {}).get("encryption") or "Disabled")
    if asked != "Auto" or bounds.encryption is None or "Auto" in bounds.encryption:
        return asked
    return "Curve" if "Curve" in bounds.encryption else "Disabled"


def implied_idle_timeout(settings: Settings, template: TemplateFacts | None) -> int | None:
    """Seconds that hold when the spec says none, or not any more; None for no timeout."""
    default = ((template.defaults.get("lifecycle") or {}) if template else {}).get("idleTimeoutSeconds")
    known = [s for s in (default, bounds_for(settings, template).max_idle_timeout_seconds) if s]
    return min(known, default=None)


def growing_memory(spec: Json, settings: Settings, template: TemplateFacts | None) -> Json | None:
    """``max`` and ``whenFull`` of a memory that grows by itself; None: it does not.

    Where the template's pod has its own word on memory, that stands.
    """
    fixed = (template.kernel_container.get("resources") or {}) if template else {}
    defaults = (template.defaults.get("memory") if template else None) or {"max": settings.memory_max}
    said = {"whenFull": "Interrupt", **(spec.get("memory") or defaults)}
    if not said.get("max") or any("memory" in (fixed.get(part) or {}) for part in ("requests", "limits")):
        return None
    highest = bounds_for(settings, template).max_resources.get("memory", said["max"])
    return {**said, "max": str(min(said["max"], highest, key=amount))}


def startup_cpu(shaped_spec: Json, settings: Settings, template: TemplateFacts | None) -> tuple[str, str] | None:
    """The CPU limit of a start, and the one after it; None where they are the same.

    A Guaranteed pod would have to reserve what it needs for a second, and may find no node that has it.

    Args:
        shaped_spec: as ``shaped`` returns it.
        settings: for the operator's default.
        template: for its default; where its pod has its own word on cpu, that stands.
    """
    requests, limits = (shaped_spec["resources"].get(part) or {} for part in ("requests", "limits"))
    fixed = (template.kernel_container.get("resources") or {}) if template else {}
    default = (template.defaults.get("startupCPU") if template else None) or settings.startup_cpu
    said, own = shaped_spec.get("startupCPU") or default, limits.get("cpu")
    if not said or own is None or any("cpu" in (fixed.get(part) or {}) for part in ("requests", "limits")):
        return None
    most = min(said, bounds_for(settings, template).max_resources.get("cpu", said), key=amount)
    known = [name for name in ("cpu", "memory") if name in limits]
    is_guaranteed = all(amount(requests.get(name, limits[name])) == amount(limits[name]) for name in known)
    most = whole("cpu", most)
    if amount(most) <= amount(own) or (len(known) > 1 and is_guaranteed):
        return None
    return most, str(own)


def image_of(spec: Json, settings: Settings, template: TemplateFacts | None = None) -> str:
    """The image that a KernelInstance runs."""
    said = (template.kernel_container.get("image"), template.defaults.get("image")) if template else (None, None)
    return str(said[0] or spec.get("image") or said[1] or settings.default_image)


def bounds_for(settings: Settings, template: TemplateFacts | None) -> Bounds:
    """A template's own, else the operator's."""
    return template.bounds if template else settings.kernel_bounds


def own_runtime_class(settings: Settings, template: TemplateFacts | None) -> str:
    """The administrator's RuntimeClass; "" for none."""
    if template is None:
        return settings.runtime_class_name
    said = (template.pod.get("spec") or {}).get("runtimeClassName") or template.defaults.get("runtimeClassName")
    return str(said or settings.runtime_class_name)


def _of_settings(settings: Settings, name: str) -> str | None:
    return {
        "image": settings.default_image,
        "imagePullPolicy": settings.image_pull_policy,
        "runtimeClassName": settings.runtime_class_name,
        "priorityClassName": settings.priority_class_name,
    }.get(name)


def _by_name(key: str, spec: Json, defaults: Json, field: str) -> list[Json]:
    """The template's, then the spec's; the spec's where both have one of a name."""
    own = spec.get(field) or []
    names = {item[key] for item in own}
    return [*(item for item in defaults.get(field) or [] if item[key] not in names), *own]


def _variables(template: TemplateFacts | None) -> frozenset[str]:
    return frozenset(named(template.kernel_container.get("env"))) if template else frozenset()


def _volumes(template: TemplateFacts | None) -> frozenset[str]:
    return template.volumes if template else frozenset()
