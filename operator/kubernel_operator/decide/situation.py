"""Where a KernelInstance stands: one ladder from what was observed to one stage. Pure; ``plan`` and ``status`` read it.

``restartGeneration`` is the thread: a process answers the generation it was started for, ``spec`` says which one is
wanted. A process that ended and whose generation is lower than the wanted one was ended by the restart, so its end is
no news.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from kubernel_api.conditions import ConditionType, Reason
from kubernel_api.constants import RESTART_GRACE_SECONDS
from kubernel_api.names import pod_name, secret_name
from kubernel_operator.observe.facts import seconds_of
from kubernel_operator.observe.kernel_facts import Exit, KernelFacts
from kubernel_operator.observe.observed import Observed, Refusal
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.observe.sizes import Sizes

from .binding import cannot_be_bound, misses_secret, waits_for_binding
from .endings import (
    Ending,
    ending_in_status,
    ending_of_lost_pod,
    ending_of_pod,
    ending_of_report,
    explained_by_events,
    explained_by_pod,
    is_by_signal,
    silent_node_at,
)
from .reasons import misses
from .refused_containers import is_believed

# A pod that the cluster ended, or did not take, before its kernel was ever Ready is replaced this often, after 1, 2, 4
# ... seconds. A ReplicaSet would do it for ever.
POD_TRIES = 5
# How long the kubelet may take to write why it ended a pod. Until then nobody knows who sent the SIGTERM.
EXPLAINED_SECONDS = 1.0
# When the pod's Events are read, where the pod has not said it by then.
EVENTS_SECONDS = 0.5
# A time that another operator wrote may be off by as much as the clocks of two API servers are.
CLOCK_SKEW_SECONDS = 10.0


class Stage(StrEnum):
    """What a KernelInstance needs next."""

    GONE = "gone"  # is being deleted: garbage collection does the rest
    FINISHED = "finished"  # over for good
    ORPHANED = "orphaned"  # its server stopped renewing the Lease
    NEEDS_POD = "needs pod"
    NEEDS_RESTART = "needs restart"  # a living supervisor is to start the wanted generation
    STARTING = "starting"
    RUNNING = "running"
    ENDING = "ending"  # the wanted process was ended by a signal; its pod is about to say who sent it
    EXITED = "exited"  # the wanted process ended; a restart may still be asked for


#: Stages between a start, or a restart, and Ready.
ON_THE_WAY = frozenset({Stage.NEEDS_POD, Stage.NEEDS_RESTART, Stage.STARTING})


@dataclass(frozen=True)
class Situation:
    """The stage and what belongs to it.

    Attributes:
        wanted: restartGeneration that is asked for.
        pod: the newest pod, if there is one.
        incarnation: number of the newest pod; 0 for none ever.
        ending: how the process of the wanted generation ended.
        ended_at: when that was first heard of here, in Unix seconds.
        replaces: how the newest pod ended that never had a Ready kernel: another one is to do better.
        not_before: Unix seconds before which that other one is not created.
        start_began: when this start was first seen here, in Unix seconds: from then its deadline counts.
        turn_began: when it was its turn, in Unix seconds: that it takes long is said, and looked into, from then on.
        ip: address of the pod.
        supervised: whether a supervisor answers in the pod; None: not known.
        objection: why no pod may be made, whatever the API server would say.
        memory_max: how far its memory may grow by itself; "" for not at all.
        growth: the memory that a kernel is to get that stands still short of its limit.
        resize_objection: why a living pod may not get the cpu and memory that its spec asks for; "" for no reason.
        refused: whether a registry, or the node, has refused a container for long enough to be believed.
        answering: replaced pods whose kernels may still answer, which is all that the new one waits for.
    """

    stage: Stage
    wanted: int
    pod: PodFacts | None = None
    incarnation: int = 0
    ending: Ending | None = None
    ended_at: float = 0.0
    replaces: Ending | None = None
    not_before: float = 0.0
    start_began: float = 0.0
    turn_began: float = 0.0
    ip: str | None = None
    supervised: bool | None = None
    refused: bool = False
    answering: tuple[PodFacts, ...] = ()
    objection: Refusal | None = None
    resize_objection: str = ""
    memory_max: str = ""
    growth: Sizes | None = None

    @property
    def node_is_silent(self) -> bool:
        """Whether nobody knows what the pod does."""
        return self.pod is not None and self.pod.node_is_silent


def situation(kernel: KernelFacts, observed: Observed, now: float) -> Situation:
    """The stage of a KernelInstance. ``now``: Unix seconds."""
    known = max(kernel.status.incarnation, observed.incarnation_seen)
    pod = current_pod(observed.pods, known)
    start_began = observed.restart_since or observed.first_seen
    base = Situation(
        Stage.GONE,
        kernel.wanted,
        pod,
        max([known, *(p.incarnation for p in observed.pods)]),
        start_began=start_began,
        turn_began=max(start_began, observed.turn_began),
        ip=_pod_ip(kernel, pod, observed),
        supervised=_supervised(kernel, observed),
        refused=is_believed(pod, observed, now),
    )
    if kernel.deleting:
        return _gone(base, kernel, observed, now)
    if kernel.status.is_finished:
        return _at(base, Stage.FINISHED)
    if observed.orphaned:
        return _at(base, Stage.ORPHANED)
    ending = _ending(kernel, base, observed, now)
    if ending is None:
        return _living(base, kernel, observed, now)
    base = replace(base, ended_at=_ended_at(base, ending, observed, now))
    if ending.generation >= kernel.wanted:
        return _ended(base, kernel, ending, observed, now)
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
    return None if newest is None or newest.incarnation < max(known, 1) else newest


def active_deadline(kernel: KernelFacts, observed: Observed, now: float) -> float | None:
    """Unix seconds at which a running kernel is ended, or None."""
    return _due(kernel.lifecycle.active_deadline, seconds_of(kernel.status.times.get("ready")), observed, now)


def time_to_live(kernel: KernelFacts, observed: Observed, now: float) -> float:
    """Unix seconds at which a finished KernelInstance is deleted."""
    since = kernel.status.since(ConditionType.FINISHED)
    return _due(kernel.lifecycle.ttl_after_finished, now if since is None else since, observed, now) or now


def _due(seconds: float | None, since: float | None, observed: Observed, now: float) -> float | None:
    """When a duration is over that began at a time in the status, which another operator may have written.

    That one may have asked another API server for the time: a little of the duration we wait for ourselves.
    """
    if seconds is None or since is None:
        return None
    if since > now + CLOCK_SKEW_SECONDS:  # a time that no clock has shown yet: nobody knows when it began
        since = observed.first_seen
    return max(since + seconds, observed.first_seen + min(seconds, CLOCK_SKEW_SECONDS))


def running_generation(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> int | None:
    """The restartGeneration of the kernel that answers, or None. After an operator restart the status knows it."""
    if pod is None:
        return None
    if waits_for_binding(kernel, pod, observed) or misses_secret(kernel, pod, observed):
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
        deadline = active_deadline(kernel, observed, now)
        if deadline is not None and now >= deadline:
            return _at(base, Stage.FINISHED, _deadline_exceeded(base, now))
        answering = _answering(kernel, base.pod, observed, now)
        if not answering:
            return _at(base, Stage.RUNNING)
        base = replace(base, answering=answering)
    if _past_start_deadline(base, kernel, now):
        return _at(base, Stage.FINISHED, _start_timeout(kernel, observed, now))
    if base.pod is None or cannot_be_bound(kernel, base.pod, observed) or _is_left(kernel, base.pod, observed):
        return _at(base, Stage.NEEDS_POD)
    if waits_for_binding(kernel, base.pod, observed):
        return _at(base, Stage.STARTING)
    if started_generation(kernel, base.pod, observed) >= base.wanted:
        return _at(base, Stage.STARTING)
    return _at(base, _stage_of_restart(base, observed))


def _is_left(kernel: KernelFacts, pod: PodFacts, observed: Observed) -> bool:
    """Whether an operator of another version has made the pod, and no longer could what it needs; nobody else can."""
    known = pod.supervisor != "" and observed.supervisor_map != ""
    is_other = known and pod.supervisor != observed.supervisor_map and not pod.is_member
    needed = (f"{secret_name(kernel.name, kernel.uid)}-", pod.supervisor)  # the clients' Secret is ours to make
    return is_other and any(misses(pod, name) for name in needed)


def _gone(base: Situation, kernel: KernelFacts, observed: Observed, now: float) -> Situation:
    """It is deleted. Where somebody's finalizer keeps the object, its status must not go on saying that it runs."""
    if not kernel.finalizers or kernel.status.is_finished or any(pod.may_run for pod in observed.pods):
        return base
    if kernel.status.exit is not None:
        return replace(base, ending=ending_in_status(kernel.status.exit))
    kept = f"the object stays until its finalizers are taken away: {', '.join(kernel.finalizers)}"
    message = f"The KernelInstance was deleted, and its pod with it; {kept}."
    return replace(base, ending=Ending(kernel.wanted, Reason.POD_DELETED, message, now, final=True))


def _at(base: Situation, stage: Stage, ending: Ending | None = None) -> Situation:
    return replace(base, stage=stage, ending=ending)


def _ended(base: Situation, kernel: KernelFacts, ending: Ending, observed: Observed, now: float) -> Situation:
    """The process that is wanted has ended."""
    if (known := kernel.status.exit) is None or known.generation < ending.generation:
        if base.pod is not None and _may_be_explained(base.pod, ending) and now < base.ended_at + EXPLAINED_SECONDS:
            return _at(base, Stage.ENDING, ending)
        if ending.by_cluster and not _was_ready(kernel):
            tries = sum(generation >= kernel.wanted for _, generation in {*observed.ends, _process(base, ending)})
            if _past_start_deadline(base, kernel, now):
                return _at(base, Stage.FINISHED, _start_timeout(kernel, observed, now))
            if tries <= POD_TRIES:
                not_before = base.ended_at + 2.0 ** (tries - 1)
                return replace(base, stage=Stage.NEEDS_POD, replaces=ending, not_before=not_before)
    over = ending.final or now >= base.ended_at + RESTART_GRACE_SECONDS
    return _at(base, Stage.FINISHED if over else Stage.EXITED, ending)


def _ending(kernel: KernelFacts, base: Situation, observed: Observed, now: float) -> Ending | None:
    """The end of the newest process, from whoever saw it best."""
    pod, known = base.pod, kernel.status.exit
    if pod is None:
        last_seen = observed.last_seen
        if last_seen is not None and last_seen.incarnation != base.incarnation:
            last_seen = None
        if known is not None:
            return _said(known, last_seen)
        if base.incarnation == 0:
            return None
        generation = max(kernel.status.generation or 0, last_seen.generation if last_seen else 0)
        was_silent = last_seen.node_is_silent if last_seen else kernel.status.reason == Reason.NODE_UNREACHABLE
        name = pod_name(kernel.name, base.incarnation)
        return ending_of_lost_pod(name, generation, now, last_seen, was_silent=was_silent)
    if cannot_be_bound(kernel, pod, observed):
        return None  # nothing of this KernelInstance has run in it
    said = known if known is not None and kernel.is_about(pod.name) else None
    generation = started_generation(kernel, pod, observed)
    if said is not None and said.generation >= generation:
        return _said(
            said, pod
        )  # not taken back: the operator that wrote it may have had a report that this one never got
    if observed.report is not None and observed.report.state == "exited":
        was_ready = kernel.is_about(pod.name) and _was_ready(kernel, observed.report.generation)
        ending = ending_of_report(observed.report, was_ready=was_ready, memory_limit=pod.memory_limit)
        return explained_by_events(explained_by_pod(ending, pod), observed.killed)
    was_ready = pod.generation <= (kernel.status.generation or 0) and "ready" in kernel.status.times
    return ending_of_pod(pod, generation, now, silent_node_at(pod, observed), was_ready=was_ready)


def _said(known: Exit, pod: PodFacts | None) -> Ending:
    """An end that was said, and is corrected when it turns out who sent the signal."""
    ending = ending_in_status(known)
    return explained_by_pod(ending, pod) if is_by_signal(ending) else ending


def _may_be_explained(pod: PodFacts, ending: Ending) -> bool:
    """Whether a SIGTERM came from the kubelet, for all that is known: it says so when all containers have ended.

    Of a container that it ended alone, it says why in Events only.
    """
    is_crash = ending.reason is Reason.KERNEL_CRASHED
    unasked = ending.terminated or (ending.signal == 15 and is_crash)
    return unasked and not pod.deleting and (not pod.has_ended or (ending.terminated and is_crash))


def _ended_at(base: Situation, ending: Ending, observed: Observed, now: float) -> float:
    """When the end was first heard of, on our own clock."""
    heard = observed.ends.get(_process(base, ending), now)
    report = observed.report
    if report is not None and report.state == "exited" and report.generation == ending.generation:
        return min(heard, report.time)
    return heard


def _process(base: Situation, ending: Ending) -> tuple[int, int]:
    return base.incarnation, ending.generation


def _was_ready(kernel: KernelFacts, generation: int | None = None) -> bool:
    """Whether the kernel of that generation, by default the wanted one, was ever said to be Ready, or to have ended."""
    known = kernel.status.generation
    return known is not None and known >= (kernel.wanted if generation is None else generation)


def _stage_of_restart(base: Situation, observed: Observed) -> Stage:
    """In place where a supervisor can do it, else with a new pod."""
    alive = base.pod is not None and base.pod.kernel_may_run
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
    known = "The restart has not come through" if kernel.status.is_ready else kernel.status.message
    last = observed.refusal.message if observed.refusal else known or "Nothing is known of it"
    message = f"{last.rstrip('.')}. Given up after {kernel.lifecycle.start_deadline:.0f} s."
    return Ending(kernel.wanted, Reason.START_TIMEOUT, message, now)


def _deadline_exceeded(base: Situation, now: float) -> Ending:
    message = "The kernel ran for spec.lifecycle.activeDeadlineSeconds and was ended."
    return Ending(base.wanted, Reason.DEADLINE_EXCEEDED, message, now)


def _pod_ip(kernel: KernelFacts, pod: PodFacts | None, observed: Observed) -> str | None:
    told = observed.report.ip if observed.report is not None else None
    if pod is None:
        return told
    if pod.ips:
        return told if told in pod.ips else pod.ip  # what runs in the pod may say anything
    if told is not None:
        return told
    if kernel.is_about(pod.name) and kernel.status.address is not None:
        return kernel.status.address.pod_ip
    return None


def _supervised(kernel: KernelFacts, observed: Observed) -> bool | None:
    if observed.report is not None:
        return observed.report.supervised
    return kernel.status.address.supervised if kernel.status.address is not None else None
