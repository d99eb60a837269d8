"""What may change in the spec of a running kernel, and whether its pod knows it yet. Pure.

Times to live and deadlines are the operator's own business, and looked at in every pass. The idle timeout is the
supervisor's: only it sees whether anybody is there. So is a pause: only it reaches the kernel's processes.
"""

from __future__ import annotations

from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import Observed

from .resources.resizing import is_resize_answered
from .situation import Situation, Stage


def idle_timeout(kernel: KernelFacts, situation: Situation) -> float | None:
    """Seconds that should be in force: the spec's, else what the pod was made with."""
    return kernel.lifecycle.idle_timeout or (situation.pod.idle_timeout if situation.pod is not None else None)


def is_configured(kernel: KernelFacts, situation: Situation, observed: Observed) -> bool:
    """Whether idle timeout and suspension of the spec are in force, as far as that can be known and changed."""
    if situation.stage is not Stage.RUNNING or not situation.supervised:
        return True
    wanted = idle_timeout(kernel, situation)
    if observed.report is not None:
        is_told = observed.report.idle_timeout_seconds == wanted and observed.report.is_paused == kernel.suspend
        return not observed.report.tells_idle_timeout or is_told
    # An operator that has just started has heard of no pod: what the status says is done was done.
    is_done = observed.configured == (situation.incarnation, wanted, kernel.suspend)
    return is_done or kernel.generation == kernel.status.observed_generation


def observed_generation(kernel: KernelFacts, situation: Situation, observed: Observed) -> int:
    """The metadata.generation that is in force: it does not grow before the pod has taken what it is about.

    A resize counts when the API server has answered: what comes of it is the business of the condition Resizing.
    """
    if is_configured(kernel, situation, observed) and is_resize_answered(kernel, situation, observed):
        return kernel.generation
    known = kernel.status.observed_generation
    return min(kernel.generation - 1, kernel.generation if known is None else known)
