"""How large a living pod may become, and why not. Pure."""

from __future__ import annotations

from dataclasses import replace

from kubernel_operator.build.shape import growing_memory
from kubernel_operator.decide.bounds import resize_objection
from kubernel_operator.decide.situation import Situation, Stage
from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import Observed
from kubernel_operator.settings import Settings

from .memory import growth
from .resizing import missing_of_spec


def with_sizes(kernel: KernelFacts, found: Situation, observed: Observed, settings: Settings, now: float) -> Situation:
    """With what a living pod may be resized to."""
    spec = kernel.raw["spec"]
    if found.pod is not None and found.stage in {Stage.STARTING, Stage.RUNNING}:
        most = (growing_memory(spec, settings, observed.template) or {}).get("max", "")
        if most:
            found = replace(found, memory_max=most, growth=growth(found.pod, observed, most, now))
    if missing_of_spec(kernel, found) is not None:
        found = replace(found, resize_objection=resize_objection(spec, observed, settings))
    return found
