"""How a kernel ended: from its supervisor's report or from its pod to ``status.exit``. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kubernel_api.conditions import Reason
from kubernel_operator.observe.kernel_facts import Exit
from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import PodFacts, Terminated
from kubernel_operator.observe.report import Report

from .reasons import with_way_out

# A signal's number is added to this in the exit code of a shell and of a container.
SIGNAL_BASE = 128
SIGNAL_MAX = 64  # of Linux; exit code 255 is a program's -1
# What container runtimes call a container whose first process could not be executed: containerd, Docker.
NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})
# A pod that is still there this long after its grace period is on a node that does not answer.
NODE_SILENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Ending:
    """The end of a kernel process.

    Attributes:
        generation: restartGeneration of the process.
        exit_code: as the container gives it: 128 + n for signal n; None when nobody saw it.
        final: True when no restart can follow (the kernel was ended for being idle, or cannot start at all).
    """

    generation: int
    reason: Reason
    message: str
    time: float
    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool = False
    final: bool = False


def ending_of_report(report: Report) -> Ending:
    """From a supervisor's ``exited`` report."""
    reason = _process_reason(report.exit_code, report.signal, report.oom_killed, report.reason)
    code = report.exit_code if report.signal is None else SIGNAL_BASE + report.signal
    message = _process_message(reason, report.exit_code, report.signal)
    if reason == Reason.KERNEL_CRASHED and report.log.strip():
        message += " Its last output:\n" + report.log.strip()
    return Ending(
        report.generation,
        reason,
        message,
        report.time,
        code,
        report.signal,
        report.oom_killed,
        final=reason == Reason.IDLE_TIMEOUT,
    )


def ending_in_status(known: Exit) -> Ending:
    """The end that was said before."""
    return Ending(
        known.generation,
        Reason(known.reason),
        known.message,
        known.time,
        known.exit_code,
        known.signal,
        known.oom_killed,
    )


def ending_of_pod(pod: PodFacts, generation: int, now: float, silent_at: float | None = None) -> Ending | None:
    """From a pod that has ended; None while it has not.

    Args:
        pod: the pod.
        generation: restartGeneration of the process in it.
        now: Unix seconds.
        silent_at: when a deletion that nobody has confirmed says that its node is gone.
    """
    terminated = pod.kernel.terminated if pod.kernel is not None else None
    if terminated is None and not pod.has_ended:
        return _silent_node(pod, generation, now) if silent_at is not None and now >= silent_at else None
    ended = terminated or Terminated(None)
    code = ended.exit_code
    signal = code - SIGNAL_BASE if code is not None and 0 < code - SIGNAL_BASE <= SIGNAL_MAX else None
    time = ended.finished or now
    if disruption := _disruption(pod):
        return Ending(generation, *disruption, time, code, signal)
    if ended.reason in NEVER_RAN:
        message = f"The container cannot be started: {with_way_out(ended.message)}"
        return Ending(generation, Reason.CONFIG_ERROR, message, time, final=True)
    oom = ended.reason == "OOMKilled"
    reason = _process_reason(code, signal, oom, None) if code is not None else Reason.KERNEL_CRASHED
    message = _process_message(reason, code, signal)
    output = (ended.message or pod.message).strip()
    if output and reason != Reason.COMPLETED:
        message += " Its last output:\n" + output[-2048:]
    return Ending(generation, reason, message, time, code, signal, oom)


def ending_of_lost_pod(name: str, generation: int, now: float, last_seen: PodFacts | None = None) -> Ending:
    """For a pod that is gone without anybody having seen its end."""
    disruption = _disruption(last_seen) if last_seen else None
    if disruption:
        return Ending(generation, *disruption, now)
    return Ending(generation, Reason.POD_DELETED, f"Pod {name} was deleted by somebody else.", now)


def silent_node_at(pod: PodFacts, observed: Observed) -> float | None:
    """When a pod that is being deleted, and is still there then, is on a node that does not answer. Unix seconds.

    Counted from when the deletion was first seen here: its own time is the API server's.
    """
    since = observed.deleting_since.get(pod.name)
    return since + pod.grace_seconds + NODE_SILENCE_SECONDS if since is not None else None


def _process_reason(code: int | None, signal: int | None, oom_killed: bool, said: str | None) -> Reason:
    if said == Reason.IDLE_TIMEOUT:
        return Reason.IDLE_TIMEOUT
    if oom_killed:
        return Reason.OOM_KILLED
    if code == 0 and signal is None:
        return Reason.COMPLETED
    return Reason.KERNEL_CRASHED


def _process_message(reason: Reason, code: int | None, signal: int | None) -> str:
    match reason:
        case Reason.COMPLETED:
            return "The kernel ended by itself (exit code 0)."
        case Reason.OOM_KILLED:
            return (
                "The kernel used more memory than its limit and was killed; give it more: spec.resources.limits.memory."
            )
        case Reason.IDLE_TIMEOUT:
            return (
                "The kernel was ended: no client was connected and no CPU used for spec.lifecycle.idleTimeoutSeconds."
            )
        case _ if signal is not None:
            return f"The kernel was ended by signal {signal}."
        case _ if code is not None:
            return f"The kernel ended with exit code {code}."
        case _:
            return "The kernel ended; its exit code is not known."


def _disruption(pod: PodFacts) -> tuple[Reason, str] | None:
    """Who ended a pod from outside: its status.reason, or the condition DisruptionTarget.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
    """
    if pod.disruption is not None:
        why = pod.disruption.message or pod.message
        match pod.disruption.reason:
            case "PreemptionByScheduler":
                return Reason.PREEMPTED, f"Pod {pod.name} made room for one of higher priority. {why}".strip()
            case "DeletionByTaintManager" | "DeletionByPodGC":
                return Reason.NODE_LOST, f"The node of pod {pod.name} was lost. {why}".strip()
            case _:
                return Reason.EVICTED, f"Pod {pod.name} was evicted. {why}".strip()
    match pod.reason:
        case "Evicted":
            return Reason.EVICTED, f"Pod {pod.name} was evicted. {pod.message}".strip()
        case "Preempting" | "Preempted":
            return Reason.PREEMPTED, f"Pod {pod.name} made room for one of higher priority. {pod.message}".strip()
        case "NodeLost" | "NodeShutdown" | "Terminated" | "Shutdown":
            return Reason.NODE_LOST, f"The node of pod {pod.name} was lost. {pod.message}".strip()
        case _:
            return None


def _silent_node(pod: PodFacts, generation: int, now: float) -> Ending:
    """A pod that should be gone but is not: nobody on its node carries out the deletion."""
    message = f"Pod {pod.name} was deleted and {pod.node or 'its node'} does not confirm its end."
    return Ending(generation, Reason.NODE_LOST, message, now)
