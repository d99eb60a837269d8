"""Whether the pool's pod that a KernelInstance has claimed knows whose it is. Pure.

Its supervisor is the one that knows: it takes one KernelInstance for ever. What is only known here may be lost with
an operator, and then it is asked, or told once more, which does no harm.
"""

from __future__ import annotations

from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import PodFacts


def waits_for_binding(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> bool:
    """Whether the newest pod comes from a pool and is not known to have been told whose it is."""
    if pod is None or not pod.is_member or observed.bound == pod.uid:
        return False
    if kernel.is_about(pod.name) and kernel.status.generation is not None:
        return False
    report = observed.report
    return report is None or report.claim != kernel.uid


def cannot_be_bound(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> bool:
    """Whether a claimed pod will never be this KernelInstance's kernel: another pod takes its place."""
    if pod is None or not waits_for_binding(kernel, pod, observed):
        return False
    if not pod.kernel_may_run or observed.bind_failed == pod.uid:
        return True
    report = observed.report
    if report is None:
        return False
    # Another's, or nobody can tell it the key: the operator that made the Secret was killed.
    return report.state != "waiting" or (observed.secret and not observed.knows_keys)
