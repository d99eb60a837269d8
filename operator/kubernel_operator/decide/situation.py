"""Where a KernelInstance stands: one ladder from what was observed to one stage. Pure; ``plan`` and ``status`` read it.

``restartGeneration`` is the thread: a process answers the generation it was started for, ``spec`` says which one is
wanted. A process that ended and whose generation is lower than the wanted one was ended by the restart, so its end is
no news.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from kubernel_api.conditions import Reason
from kubernel_api.constants import RESTART_GRACE_SECONDS
from kubernel_api.names import pod_name
from kubernel_operator.observe.facts import seconds_of
from kubernel_operator.observe.kernel_facts import KernelFacts
from kubernel_operator.observe.observed import LeaseState, Observed
from kubernel_operator.observe.pod_facts import PodFacts

from .endings import Ending, ending_in_status, ending_of_lost_pod, ending_of_pod, ending_of_report, silent_node_at


class Stage(StrEnum):
    """What a KernelInstance needs next."""

    GONE = "gone"  # is being deleted: garbage collection does the rest
    FINISHED = "finished"  # over for good
    ORPHANED = "orphaned"  # its server stopped renewing the Lease
    NEEDS_POD = "needs pod"
    NEEDS_RESTART = "needs restart"  # a living supervisor is to start the wanted generation
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"  # the wanted process ended; a restart may still be asked for


@dataclass(frozen=True)
class Situation:
    """The stage and what belongs to it.

    Attributes:
        wanted: restartGeneration that is asked for.
        pod: the newest pod, if there is one.
        incarnation: number of the newest pod; 0 for none ever.
        ending: how the process of the wanted generation ended.
        start_began: Unix seconds from which the start deadline counts.
        start_seen: Unix seconds from which a start counts as slow; creationTimestamp has whole seconds only.
        ip: address of the pod.
        supervised: whether a supervisor answers in the pod; None: not known.
        answering: replaced pods whose kernels may still answer, which is all that the new one waits for.
    """

    stage: Stage
    wanted: int
    pod: PodFacts | None = None
    incarnation: int = 0
    ending: Ending | None = None
    start_began: float = 0.0
    start_seen: float = 0.0
    ip: str | None = None
    supervised: bool | None = None
    answering: tuple[PodFacts, ...] = ()


def situation(kernel: KernelFacts, observed: Observed, now: float) -> Situation:
    """The stage of a KernelInstance. ``now``: Unix seconds."""
    known = max(kernel.status.incarnation, observed.incarnation_seen)
    pod = current_pod(observed.pods, known)
    base = Situation(
        Stage.GONE,
        kernel.wanted,
        pod,
        max([known, *(p.incarnation for p in observed.pods)]),
        start_began=kernel.created if observed.restart_since is None else observed.restart_since,
        start_seen=observed.restart_since or observed.first_seen,
        ip=_pod_ip(kernel, pod, observed),
        supervised=_supervised(kernel, observed),
    )
    if kernel.deleting:
        return base
    if kernel.status.is_finished:
        return _at(base, Stage.FINISHED)
    if observed.lease.state is LeaseState.EXPIRED:
        return _at(base, Stage.ORPHANED)
    ending = _ending(kernel, base, observed, now)
    if ending is None:
        return _living(base, kernel, observed, now)
    if ending.generation >= kernel.wanted:
        over = ending.final or now >= ending.time + RESTART_GRACE_SECONDS
        return _at(base, Stage.FINISHED if over else Stage.EXITED, ending)
    if _past_start_deadline(base, kernel, now):
        return _at(base, Stage.FINISHED, _start_timeout(kernel, observed, now))
    return _at(base, _stage_of_restart(base, observed))


def current_pod(pods: tuple[PodFacts, ...], known: int) -> PodFacts | None:
    """The pod with the highest incarnation, unless there was a newer one: an old pod may outlive it in Terminating.

    Args:
        pods: those that there are.
        known: the highest incarnation that is known to have existed; 0 for none.
    """
    newest = max(pods, key=lambda p: p.incarnation, default=None)
    return None if newest is None or newest.incarnation < known else newest


def active_deadline(kernel: KernelFacts) -> float | None:
    """Unix seconds at which a running kernel is ended, or None."""
    seconds, ready = kernel.lifecycle.active_deadline, seconds_of(kernel.status.times.get("ready"))
    return ready + seconds if seconds and ready else None


def running_generation(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> int | None:
    """The restartGeneration of the kernel that answers, or None. After an operator restart the status knows it."""
    if pod is None:
        return None
    if observed.report is not None:
        return observed.report.generation if observed.report.state == "running" else None
    return (kernel.status.generation or 0) if _is_said_ready(kernel, pod) else None


def started_generation(kernel: KernelFacts, pod: PodFacts, observed: Observed) -> int:
    """The restartGeneration that the pod's process was started for."""
    known = pod.generation
    if kernel.is_about(pod.name):
        known = max(known, kernel.status.generation or 0)
    if observed.report is not None:
        known = max(known, observed.report.generation)
    return known


def _living(base: Situation, kernel: KernelFacts, observed: Observed, now: float) -> Situation:
    """No process of interest has ended."""
    generation = running_generation(kernel, base.pod, observed)
    if generation is not None and generation >= base.wanted and _has_address(kernel, observed):
        deadline = active_deadline(kernel)
        if deadline is not None and now >= deadline:
            return _at(base, Stage.FINISHED, _deadline_exceeded(base, now))
        base = replace(base, answering=_answering(kernel, base.pod, observed, now))
        if not base.answering:
            return _at(base, Stage.RUNNING)
    if _past_start_deadline(base, kernel, now):
        return _at(base, Stage.FINISHED, _start_timeout(kernel, observed, now))
    if base.pod is None:
        return _at(base, Stage.NEEDS_POD)
    if started_generation(kernel, base.pod, observed) >= base.wanted:
        return _at(base, Stage.STARTING)
    return _at(base, _stage_of_restart(base, observed))


def _at(base: Situation, stage: Stage, ending: Ending | None = None) -> Situation:
    return replace(base, stage=stage, ending=ending)


def _ending(kernel: KernelFacts, base: Situation, observed: Observed, now: float) -> Ending | None:
    """The end of the newest process, from whoever saw it best."""
    pod = base.pod
    if pod is None:
        if kernel.status.exit is not None:
            return ending_in_status(kernel.status.exit)
        if base.incarnation == 0:
            return None
        return ending_of_lost_pod(pod_name(kernel.name, base.incarnation), kernel.status.generation or 0, now)
    if observed.report is not None and observed.report.state == "exited":
        return _with_pods_reason(ending_of_report(observed.report), pod, now)
    generation = started_generation(kernel, pod, observed)
    known = kernel.status.exit if kernel.is_about(pod.name) else None
    if known is not None and known.generation >= generation:
        # An end that was said is not taken back: another operator may have heard more than this one.
        return ending_in_status(known)
    return ending_of_pod(pod, generation, now, silent_node_at(pod, observed))


def _with_pods_reason(ending: Ending, pod: PodFacts, now: float) -> Ending:
    """A process that ended because its pod is being taken away: the pod says why."""
    if not pod.deleting or ending.reason == Reason.OOM_KILLED:
        return ending
    lost = ending_of_lost_pod(pod.name, ending.generation, now, pod)
    return replace(ending, reason=lost.reason, message=lost.message, final=False)


def _stage_of_restart(base: Situation, observed: Observed) -> Stage:
    """In place where a supervisor can do it, else with a new pod."""
    alive = base.pod is not None and base.pod.may_run
    if not alive or not base.supervised or base.ip is None or observed.control_failed >= base.wanted:
        return Stage.NEEDS_POD
    return Stage.STARTING if observed.control_sent >= base.wanted else Stage.NEEDS_RESTART


def _has_address(kernel: KernelFacts, observed: Observed) -> bool:
    return not kernel.by_service or observed.service_ip is not None


def _is_said_ready(kernel: KernelFacts, pod: PodFacts | None) -> bool:
    return pod is not None and kernel.status.is_ready and kernel.is_about(pod.name)


def _answering(kernel: KernelFacts, pod: PodFacts | None, observed: Observed, now: float) -> tuple[PodFacts, ...]:
    """Replaced pods that may still hold clients' connections: a Service moves new connections only."""
    if not kernel.by_service or _is_said_ready(kernel, pod):
        return ()
    return tuple(
        other
        for other in observed.pods
        if other is not pod
        and other.name not in observed.silent_pods
        and other.ips
        and ending_of_pod(other, 0, now, silent_node_at(other, observed)) is None
    )


def _past_start_deadline(base: Situation, kernel: KernelFacts, now: float) -> bool:
    return now >= base.start_began + kernel.lifecycle.start_deadline


def _start_timeout(kernel: KernelFacts, observed: Observed, now: float) -> Ending:
    last = observed.refusal.message if observed.refusal else kernel.status.message or "nothing is known"
    message = f"Not ready after {kernel.lifecycle.start_deadline:.0f} s; the last that was known: {last}"
    return Ending(kernel.wanted, Reason.START_TIMEOUT, message, now)


def _deadline_exceeded(base: Situation, now: float) -> Ending:
    message = "The kernel ran for spec.lifecycle.activeDeadlineSeconds and was ended."
    return Ending(base.wanted, Reason.DEADLINE_EXCEEDED, message, now)


def _pod_ip(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> str | None:
    if observed.report is not None and observed.report.ip:
        return observed.report.ip
    if pod is None:
        return None
    if pod.ip is None and kernel.is_about(pod.name) and kernel.status.address is not None:
        return kernel.status.address.pod_ip
    return pod.ip


def _supervised(kernel: KernelFacts, observed: Observed) -> bool | None:
    if observed.report is not None:
        return observed.report.supervised
    return kernel.status.address.supervised if kernel.status.address is not None else None
