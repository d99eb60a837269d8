"""Where a KernelInstance stands: one ladder from what was observed to one stage. Pure; ``plan`` and ``status`` read it.

``restartGeneration`` is the thread: a process answers the generation it was started for, ``spec`` says which one is
wanted. A process that ended and whose generation is lower than the wanted one was ended by the restart, so its end is
no news.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from kubernel_api.conditions import ConditionType, Reason, is_true
from kubernel_api.constants import ANNOTATION_INCARNATION, ANNOTATION_RESTART_GENERATION, RESTART_GRACE_SECONDS
from kubernel_operator.clock import unix
from kubernel_operator.observe.observed import LeaseState, Observed

from .endings import Ending, ending_of_lost_pod, ending_of_pod, ending_of_report


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
    pod: dict[str, Any] | None = None
    incarnation: int = 0
    ending: Ending | None = None
    start_began: float = 0.0
    start_seen: float = 0.0
    ip: str | None = None
    supervised: bool | None = None
    answering: tuple[dict[str, Any], ...] = ()


def situation(cr: dict[str, Any], observed: Observed, now: float) -> Situation:
    """The stage of a KernelInstance. ``now``: Unix seconds."""
    status = cr.get("status") or {}
    wanted = int(cr["spec"].get("restartGeneration") or 0)
    pod = current_pod(observed.pods, status.get("podName"), observed.pod_seen)
    base = Situation(
        Stage.GONE,
        wanted,
        pod,
        highest_incarnation(observed.pods, status.get("podName"), observed.pod_seen),
        start_began=_start_began(cr, observed),
        start_seen=observed.restart_since or observed.first_seen,
        ip=_pod_ip(pod, status, observed),
        supervised=_supervised(status, observed),
    )
    if cr["metadata"].get("deletionTimestamp"):
        return base
    if is_true(status, ConditionType.FINISHED):
        return _at(base, Stage.FINISHED)
    if observed.lease.state is LeaseState.EXPIRED:
        return _at(base, Stage.ORPHANED)
    ending = _ending(cr, pod, observed, now)
    if ending is None:
        return _living(base, cr, observed, now)
    if ending.generation >= wanted:
        over = ending.final or now >= ending.time + RESTART_GRACE_SECONDS
        return _at(base, Stage.FINISHED if over else Stage.EXITED, ending)
    if _past_start_deadline(base, cr, now):
        return _at(base, Stage.FINISHED, _start_timeout(base, cr, observed, now))
    return _at(base, _stage_of_restart(base, observed))


def current_pod(pods: tuple[dict[str, Any], ...], *known: str | None) -> dict[str, Any] | None:
    """The pod with the highest incarnation, unless there was a newer one: an old pod may outlive it in Terminating.

    Args:
        pods: those that there are.
        known: names of pods that are known to have existed.
    """
    newest = max(pods, key=pod_incarnation, default=None)
    if newest is None or pod_incarnation(newest) < highest_incarnation(pods, *known):
        return None
    return newest


def highest_incarnation(pods: tuple[dict[str, Any], ...], *known: str | None) -> int:
    """The highest number that any pod of a KernelInstance ever had, as far as anything tells; 0 for none."""
    ends = [name.rsplit("-", 1)[-1] for name in known if name]
    return max([0, *map(pod_incarnation, pods), *(int(end) for end in ends if end.isdigit())])


def pod_incarnation(pod: dict[str, Any]) -> int:
    """The number of a pod of ours."""
    return int((pod["metadata"].get("annotations") or {}).get(ANNOTATION_INCARNATION) or 0)


def pod_generation(pod: dict[str, Any]) -> int:
    """The restartGeneration that a pod of ours was created for."""
    return int((pod["metadata"].get("annotations") or {}).get(ANNOTATION_RESTART_GENERATION) or 0)


def start_deadline(cr: dict[str, Any]) -> int:
    """Seconds from the start of a start until it has failed."""
    return int((cr["spec"].get("lifecycle") or {}).get("startDeadlineSeconds") or 300)


def active_deadline(cr: dict[str, Any]) -> float | None:
    """Unix seconds at which a running kernel is ended, or None."""
    seconds = (cr["spec"].get("lifecycle") or {}).get("activeDeadlineSeconds")
    ready = unix(((cr.get("status") or {}).get("times") or {}).get("ready"))
    return ready + float(seconds) if seconds and ready else None


def is_running(pod: dict[str, Any] | None) -> bool:
    """Whether the pod's container may be running: not ended and not being deleted."""
    if pod is None or pod["metadata"].get("deletionTimestamp"):
        return False
    return (pod.get("status") or {}).get("phase") not in ("Failed", "Succeeded")


def _living(base: Situation, cr: dict[str, Any], observed: Observed, now: float) -> Situation:
    """No process of interest has ended."""
    generation = running_generation(cr, base.pod, observed)
    if generation is not None and generation >= base.wanted and _has_address(cr, observed):
        deadline = active_deadline(cr)
        if deadline is not None and now >= deadline:
            return _at(base, Stage.FINISHED, _deadline_exceeded(base, now))
        base = replace(base, answering=_answering(cr, base.pod, observed, now))
        if not base.answering:
            return _at(base, Stage.RUNNING)
    if _past_start_deadline(base, cr, now):
        return _at(base, Stage.FINISHED, _start_timeout(base, cr, observed, now))
    if base.pod is None:
        return _at(base, Stage.NEEDS_POD)
    if started_generation(cr, base.pod, observed) >= base.wanted:
        return _at(base, Stage.STARTING)
    return _at(base, _stage_of_restart(base, observed))


def running_generation(cr: dict[str, Any], pod: dict[str, Any] | None, observed: Observed) -> int | None:
    """The restartGeneration of the kernel that answers, or None. After an operator restart the status knows it."""
    if pod is None:
        return None
    if observed.report is not None:
        return observed.report.generation if observed.report.state == "running" else None
    status = cr.get("status") or {}
    return int(status.get("restartGeneration") or 0) if _is_said_ready(status, pod) else None


def started_generation(cr: dict[str, Any], pod: dict[str, Any], observed: Observed) -> int:
    """The restartGeneration that the pod's process was started for."""
    status = cr.get("status") or {}
    known = pod_generation(pod)
    if status.get("podName") == pod["metadata"]["name"]:
        known = max(known, int(status.get("restartGeneration") or 0))
    if observed.report is not None:
        known = max(known, observed.report.generation)
    return known


def _at(base: Situation, stage: Stage, ending: Ending | None = None) -> Situation:
    return replace(base, stage=stage, ending=ending)


def _ending(cr: dict[str, Any], pod: dict[str, Any] | None, observed: Observed, now: float) -> Ending | None:
    """The end of the newest process, from whoever saw it best."""
    status = cr.get("status") or {}
    if pod is None:
        if ending := _ending_in_status(status):
            return ending
        name = status.get("podName") or observed.pod_seen
        return ending_of_lost_pod(name, int(status.get("restartGeneration") or 0), now) if name else None
    if observed.report is not None and observed.report.state == "exited":
        return _with_pods_reason(ending_of_report(observed.report), pod, now)
    generation = started_generation(cr, pod, observed)
    known = _ending_in_status(status) if status.get("podName") == pod["metadata"]["name"] else None
    if known is not None and known.generation >= generation:
        return known  # an end that was said is not taken back: another operator may have heard more than this one
    return ending_of_pod(pod, generation, now)


def _with_pods_reason(ending: Ending, pod: dict[str, Any], now: float) -> Ending:
    """A process that ended because its pod is being taken away: the pod says why."""
    if not pod["metadata"].get("deletionTimestamp") or ending.reason == Reason.OOM_KILLED:
        return ending
    lost = ending_of_lost_pod(pod["metadata"]["name"], ending.generation, now, pod)
    return Ending(
        ending.generation, lost.reason, lost.message, ending.time, ending.exit_code, ending.signal, ending.oom_killed
    )


def _ending_in_status(status: dict[str, Any]) -> Ending | None:
    known = status.get("exit")
    if not known:
        return None
    return Ending(
        int(known.get("restartGeneration") or 0),
        Reason(known["reason"]),
        known.get("message") or "",
        unix(known.get("finishedTime")) or 0.0,
        known.get("exitCode"),
        known.get("signal"),
        bool(known.get("oomKilled")),
    )


def _stage_of_restart(base: Situation, observed: Observed) -> Stage:
    """In place where a supervisor can do it, else with a new pod."""
    if not is_running(base.pod) or not base.supervised or base.ip is None or observed.control_failed >= base.wanted:
        return Stage.NEEDS_POD
    return Stage.STARTING if observed.control_sent >= base.wanted else Stage.NEEDS_RESTART


def _is_by_service(cr: dict[str, Any]) -> bool:
    return bool((cr["spec"].get("connection") or {}).get("service", "ClusterIP") == "ClusterIP")


def _has_address(cr: dict[str, Any], observed: Observed) -> bool:
    return not _is_by_service(cr) or observed.service_ip is not None


def _is_said_ready(status: dict[str, Any], pod: dict[str, Any] | None) -> bool:
    return pod is not None and is_true(status, ConditionType.READY) and status.get("podName") == pod["metadata"]["name"]


def _answering(
    cr: dict[str, Any], pod: dict[str, Any] | None, observed: Observed, now: float
) -> tuple[dict[str, Any], ...]:
    """Replaced pods that may still hold clients' connections: a Service moves new connections only."""
    if not _is_by_service(cr) or _is_said_ready(cr.get("status") or {}, pod):
        return ()
    return tuple(
        other
        for other in observed.pods
        if other is not pod
        and other["metadata"]["name"] not in observed.silent_pods
        and (other.get("status") or {}).get("podIP")
        and ending_of_pod(other, 0, now) is None
    )


def _past_start_deadline(base: Situation, cr: dict[str, Any], now: float) -> bool:
    return now >= base.start_began + start_deadline(cr)


def _start_began(cr: dict[str, Any], observed: Observed) -> float:
    if observed.restart_since is not None:
        return observed.restart_since
    return unix(cr["metadata"].get("creationTimestamp")) or 0.0


def _start_timeout(base: Situation, cr: dict[str, Any], observed: Observed, now: float) -> Ending:
    status = cr.get("status") or {}
    last = observed.refusal.message if observed.refusal else status.get("message") or "nothing is known"
    seconds = start_deadline(cr)
    message = f"Not ready after {seconds} s; the last that was known: {last}"
    return Ending(base.wanted, Reason.START_TIMEOUT, message, now)


def _deadline_exceeded(base: Situation, now: float) -> Ending:
    message = "The kernel ran for spec.lifecycle.activeDeadlineSeconds and was ended."
    return Ending(base.wanted, Reason.DEADLINE_EXCEEDED, message, now)


def _pod_ip(pod: dict[str, Any] | None, status: dict[str, Any], observed: Observed) -> str | None:
    if observed.report is not None and observed.report.ip:
        return observed.report.ip
    if pod is None:
        return None
    ip: str | None = (pod.get("status") or {}).get("podIP")
    if ip is None and status.get("podName") == pod["metadata"]["name"]:
        ip = (status.get("connection") or {}).get("podIP")
    return ip


def _supervised(status: dict[str, Any], observed: Observed) -> bool | None:
    if observed.report is not None:
        return observed.report.supervised
    connection = status.get("connection") or {}
    return ("controlPort" in connection) if connection else None
