"""The CPU of a start: a kernel with a small limit starts with more, and gets its own as soon as it is ready. Pure.

Both limits stand in an annotation of the pod, and which one holds in its spec. So an operator that takes over sees what
is still to be taken back, and a template or setting that changes meanwhile changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from kubernel_api.quantity import amount
from kubernel_operator.decide.situation import Situation, Stage
from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import Observed, Purpose
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.observe.sizes import Sizes


def own_limit(kernel: KernelFacts, pod: PodFacts) -> str:
    """The CPU limit that a pod is to be taken back to; "" where it has no more than its own.

    Somebody may have asked for just the amount that a start has: then that is its own by now.
    """
    if pod.startup_cpu is None:
        return ""
    start, own = pod.startup_cpu
    has, asked = pod.sizes.limits.get("cpu"), kernel.sizes.limits.get("cpu")
    if has is None or amount(has) != amount(start) or (asked is not None and amount(asked) == amount(start)):
        return ""
    return max(own, pod.sizes.requests.get("cpu", own), key=amount)


def sizes_at_rest(kernel: KernelFacts, pod: PodFacts) -> Sizes:
    """What a pod is to have when its kernel is ready."""
    own = own_limit(kernel, pod)
    return replace(pod.sizes, limits={**pod.sizes.limits, "cpu": own}) if own else pod.sizes


def startup_sizes(kernel: KernelFacts, situation: Situation, observed: Observed) -> Sizes | None:
    """The CPU limit to ask for now: its own for a kernel that is ready, more for one that is being restarted.

    More is asked for once in a restart. Whoever asks for other amounts in the midst of one gets them, and its own CPU.
    """
    pod = situation.pod
    if pod is None or pod.startup_cpu is None or not pod.may_run:
        return None
    if situation.stage is Stage.RUNNING:
        own = own_limit(kernel, pod)
        return Sizes({}, {"cpu": own}) if own else None
    start, own = pod.startup_cpu
    has, known = pod.sizes.limits.get("cpu"), observed.resizes.get(Purpose.STARTUP)
    was_asked = (
        known is not None and not known.failed and known.pod_uid == pod.uid and known.restart >= situation.wanted
    )
    is_restart = situation.stage in {Stage.STARTING, Stage.NEEDS_RESTART} and situation.wanted > pod.generation
    if not is_restart or was_asked or has is None or amount(has) != amount(own):
        return None
    return Sizes({}, {"cpu": start})


def is_only_startup(kernel: KernelFacts, pod: PodFacts) -> bool:
    """Whether what a pod has, and what is in force, differ from what it has at rest by the CPU of its start alone."""
    if pod.startup_cpu is None or pod.resize_pending is not None or pod.kernel is None:
        return False
    if own_limit(kernel, pod):
        return True
    start, own = (amount(each) for each in pod.startup_cpu)
    has, in_force = (amount(each.limits.get("cpu", "0")) for each in (pod.sizes, pod.kernel.sizes))
    others = replace(pod.sizes, limits={name: each for name, each in pod.sizes.limits.items() if name != "cpu"})
    is_at_rest = in_force == own and pod.resize_in_progress is None
    return has == own and in_force in {own, start} and not is_at_rest and pod.kernel.sizes.has(others)
