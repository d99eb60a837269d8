"""How many kernels may start at the same time, and how long a start is counted. Pure.

A start is CPU that its node needs. Twenty at once on two CPUs are all ready when the last one is; one after the other,
the last is ready no later, and the others are sooner.
"""

from __future__ import annotations

import math

from kubernel_api.conditions import Reason
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.settings import AUTO

from .reasons import pending_reason
from .situation import Situation, Stage

# A part of each start is waiting, for the kubelet above all, so two for a CPU keep it busy.
STARTS_PER_CPU = 2
STARTS_MIN = 4
# Nodes make a container within this time, unless they wait for an image or a volume, and that needs no CPU.
UNTIL_CONTAINER_SECONDS = 5.0
# A kernel that does not answer by then imports a lot, or waits, too. Nobody waits behind it for longer.
UNTIL_READY_SECONDS = 10.0
_NODE_IS_BUSY = frozenset({Reason.CREATING, Reason.SCHEDULED, Reason.CONTAINER_CREATING})


def starts_at_once(option: str, cpus: float | None) -> float:
    """How many kernels may start at the same time; infinity for as many as there are.

    Args:
        option: ``Settings.max_starting``.
        cpus: of all nodes that kernels may get; None: not known.
    """
    if option == AUTO:
        return math.inf if cpus is None else max(STARTS_MIN, int(STARTS_PER_CPU * cpus))
    return int(option) or math.inf


def seconds_counted(situation: Situation) -> float:
    """Seconds since it got its turn for which a start is counted; 0.0: no longer."""
    pod = situation.pod
    if situation.stage is not Stage.STARTING or pod is None or pod.is_member:
        return 0.0
    if pod.kernel_runs:
        return UNTIL_READY_SECONDS
    return UNTIL_CONTAINER_SECONDS if _keeps_its_node_busy(pod) else 0.0


def _keeps_its_node_busy(pod: PodFacts) -> bool:
    return pod.kernel_may_run and pending_reason(pod)[0] in _NODE_IS_BUSY
