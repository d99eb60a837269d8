"""How a kernel ended: from its supervisor's report or from its pod to ``status.exit``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kubernel_api.conditions import Reason
from kubernel_operator.observe.facts import Condition
from kubernel_operator.observe.kernel_facts import Exit
from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import KUEUE_STOPS, PodFacts, Terminated
from kubernel_operator.observe.report import Report, in_mib

from .reasons import init_failure, with_remedy
from .texts import with_output

# A signal's number is added to this in the exit code of a shell and of a container.
SIGNAL_BASE = 128
SIGNAL_MAX = 64  # of Linux; exit code 255 is a program's -1
# Those that a program's own fault brings, or somebody sends.
_NAMES = {
    4: ", SIGILL",
    6: ", SIGABRT",
    7: ", SIGBUS",
    8: ", SIGFPE",
    9: ", SIGKILL",
    11: ", SIGSEGV",
    15: ", SIGTERM",
}
# What container runtimes call a container whose first process could not be executed: containerd, Docker.
NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})
# A kubelet ends a container by SIGTERM, and by SIGKILL after the grace period.
_OF_KUBELET = frozenset({9, 15})
# Container runtimes say OOMKilled of whatever ends a container in which any process ever was short of memory; the
# kernel that was killed for that has another exit code than a good end or SIGTERM.
_NOT_OUT_OF_MEMORY = frozenset({0, SIGNAL_BASE + 15})
# What another pod would be told, too, of the image or of the KernelInstance: no such program, no such folder, less
# memory than a container needs to begin. All else may be the node's trouble: cgroups, devices, a busy runtime.
_UNSUITABLE = re.compile(
    r'exec: "|executable file not found|chdir to cwd|exec format error|OOM-killed|memory limit too low'
)
# What runc leaves in the log of a container whose first program is for another CPU.
_FOREIGN_PROGRAM = re.compile(r"^(exec |standard_init_linux).*exec format error\s*$")
# A supervisor's word for a SIGTERM to its container.
TERMINATED = "Terminated"
# What kubelet and containerd say of a container that was gone when they looked, as after a reboot of the node: its exit
# code (137, 255) is made up.
NEVER_SEEN = frozenset({"ContainerStatusUnknown", "Unknown"})
# A pod that is still there this long after its grace period is on a node that does not answer.
NODE_SILENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Ending:
    """The end of a kernel process.

    Attributes:
        generation: restartGeneration of the process.
        time: Unix seconds, for display only.
        exit_code: as the container gives it: 128 + n for signal n; None when nobody saw it.
        final: True when no restart can follow (the kernel was ended for being idle, or cannot start at all).
        terminated: whether somebody sent the container SIGTERM, as the supervisor says: whoever ends the pod does.
        by_cluster: whether the cluster ended the pod or did not take it: another pod may do better.
    """

    generation: int
    reason: Reason
    message: str
    time: float
    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool = False
    final: bool = False
    by_cluster: bool = False
    terminated: bool = False


def ending_of_report(report: Report, *, was_ready: bool = False, memory_limit: str = "") -> Ending:
    """From a supervisor's ``exited`` report.

    Args:
        report: the report.
        was_ready: whether this process was Ready: what it printed since is its user's own, and not told.
        memory_limit: of its container; "" when it is not known.
    """
    reason = _process_reason(report.exit_code, report.signal, report.oom_killed, report.reason)
    code = report.exit_code if report.signal is None else SIGNAL_BASE + report.signal
    used = in_mib(report.memory.usage) if report.memory is not None else ""
    message = _process_message(reason, report.exit_code, report.signal, memory_limit, used)
    if reason == Reason.COMPLETED and not was_ready and report.log:
        message = f"{message.rstrip('.')} before it was ready."
    if reason in {Reason.KERNEL_CRASHED, Reason.COMPLETED} and not was_ready:
        message = with_output(message, report.log)
    return Ending(
        report.generation,
        reason,
        message,
        report.time,
        code,
        report.signal,
        report.oom_killed,
        final=reason == Reason.IDLE_TIMEOUT,
        terminated=report.reason == TERMINATED,
    )


def ending_in_status(known: Exit) -> Ending:
    """The end that was said before. A reason that a newer operator knows is none for us, but its sentence is."""
    try:
        reason = Reason(known.reason)
    except ValueError:
        reason = Reason.KERNEL_CRASHED
    return Ending(known.generation, reason, known.message, known.time, known.exit_code, known.signal, known.oom_killed)


def ending_of_pod(
    pod: PodFacts, generation: int, now: float, silent_at: float | None = None, *, was_ready: bool = False
) -> Ending | None:
    """From a pod that has ended; None while it has not.

    Args:
        pod: the pod.
        generation: restartGeneration of the process in it.
        now: Unix seconds.
        silent_at: when a deletion that nobody has confirmed says that its node is gone.
        was_ready: whether a kernel in this pod was Ready: what it printed since is its user's own, and not told.
    """
    terminated = pod.kernel.terminated if pod.kernel is not None else None
    if terminated is None and not pod.has_ended:
        return _silent_node(pod, generation, now) if silent_at is not None and now >= silent_at else None
    ended = terminated or Terminated(None)
    code = None if ended.reason in NEVER_SEEN else ended.exit_code
    signal = code - SIGNAL_BASE if code is not None and 0 < code - SIGNAL_BASE <= SIGNAL_MAX else None
    time = ended.finished or now
    oom = ended.reason == "OOMKilled" and code not in _NOT_OUT_OF_MEMORY
    if not oom and (disruption := disruption_of(pod)):
        return Ending(generation, *disruption, time, code, signal, by_cluster=True)
    if ended.reason in NEVER_RAN:
        message = f"The container cannot be started: {with_remedy(ended.message)}"
        by_cluster = not _UNSUITABLE.search(ended.message)
        return Ending(generation, Reason.CONFIG_ERROR, message, time, final=True, by_cluster=by_cluster)
    if ended.reason in NEVER_SEEN:
        return Ending(generation, Reason.NODE_LOST, _unseen(pod), time, by_cluster=True)
    if pod.deleting and (code is None or signal in _OF_KUBELET):
        return Ending(generation, Reason.POD_DELETED, _deleted(pod.name), time, code, signal)
    if code is None and (failed := _failed_init(pod)) is not None:
        return Ending(generation, Reason.CONFIG_ERROR, f"The kernel cannot start: {failed}.", time, final=True)
    if pod.reason and (code is None or code == 0 or signal in _OF_KUBELET):
        return Ending(generation, Reason.POD_REJECTED, _rejection(pod), time, code, signal, by_cluster=True)
    if not was_ready and _FOREIGN_PROGRAM.search(ended.message):
        message = f"The container cannot be started: {with_remedy(ended.message.strip())}"
        return Ending(generation, Reason.CONFIG_ERROR, message, time, code, final=True)
    reason = _process_reason(code, signal, oom, None) if code is not None else Reason.KERNEL_CRASHED
    message = _process_message(reason, code, signal, pod.memory_limit)
    if reason == Reason.KERNEL_CRASHED and not was_ready:
        message = with_output(message, ended.message or pod.message)
    return Ending(generation, reason, message, time, code, signal, oom)


def ending_of_lost_pod(
    name: str, generation: int, now: float, last_seen: PodFacts | None = None, *, was_silent: bool = False
) -> Ending:
    """For a pod that is gone without anybody having seen its end.

    Args:
        name: of the pod.
        generation: restartGeneration of the process in it.
        now: Unix seconds.
        last_seen: what was seen of it before.
        was_silent: whether its node did not answer by then: only force takes a pod away from such a node.
    """
    if last_seen is not None and (disruption := disruption_of(last_seen)):
        return Ending(generation, *disruption, now, by_cluster=True)
    if was_silent:
        return Ending(
            generation, Reason.NODE_LOST, f"Pod {name} was deleted while its node did not answer.", now, by_cluster=True
        )
    return Ending(generation, Reason.POD_DELETED, _deleted(name), now)


def explained_by_pod(ending: Ending, pod: PodFacts | None) -> Ending:
    """The end of a process whose pod was taken away: the pod says why, as soon as it says anything.

    The supervisor hears of its end first, by a SIGTERM; the kubelet writes why when all containers have ended.
    """
    taken = ending.reason in {Reason.KERNEL_CRASHED, Reason.COMPLETED, Reason.POD_DELETED}
    if pod is None or not taken:
        return ending
    if why := disruption_of(pod):
        return replace(ending, reason=why[0], message=why[1], by_cluster=True)
    if pod.has_ended and pod.reason and (ending.terminated or is_by_signal(ending)):
        return replace(ending, reason=Reason.POD_REJECTED, message=_rejection(pod), by_cluster=True)
    if pod.deleting:
        return replace(ending, reason=Reason.POD_DELETED, message=_deleted(pod.name))
    return ending


def explained_by_events(ending: Ending, killed: str) -> Ending:
    """The end of a process whose container alone was ended by its kubelet. ``killed``: why; "" for no reason."""
    if not killed or not ending.terminated or ending.reason is not Reason.KERNEL_CRASHED:
        return ending
    return replace(ending, message=f"The node ended the kernel's container: {killed}.")


def is_by_signal(ending: Ending) -> bool:
    """Whether it may have been the kubelet that ended the process: SIGTERM, and SIGKILL after the grace period."""
    return ending.signal in _OF_KUBELET or ending.exit_code in {SIGNAL_BASE + number for number in _OF_KUBELET}


def silent_node_at(pod: PodFacts, observed: Observed) -> float | None:
    """When a pod that is being deleted, and is still there then, is on a node that does not answer. Unix seconds.

    Counted from when the deletion was first seen here: its own time is the API server's.
    """
    since = observed.deleting_since.get(pod.name)
    return since + pod.grace_seconds + NODE_SILENCE_SECONDS if since is not None else None


def disruption_of(pod: PodFacts) -> tuple[Reason, str] | None:
    """Who ended a pod from outside: its status.reason, or the condition DisruptionTarget.

    The kubelet gives the same condition, TerminationByKubelet, for three causes; ``status.reason`` tells them apart.
    Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
    """
    why = pod.message or (pod.disruption.message if pod.disruption is not None else "")
    match pod.reason:
        case "Evicted":
            return Reason.EVICTED, f"Pod {pod.name} was evicted. {why}".strip()
        case "Preempting" | "Preempted":
            return Reason.PREEMPTED, f"Pod {pod.name} made room for one of higher priority. {why}".strip()
        case "NodeLost" | "NodeShutdown" | "Terminated" | "Shutdown":
            return Reason.NODE_LOST, f"The node of pod {pod.name} was lost. {why}".strip()
        case "DeadlineExceeded":
            return Reason.DEADLINE_EXCEEDED, f"Pod {pod.name} was ended by its activeDeadlineSeconds. {why}".strip()
    return _disruption_by_condition(pod, pod.disruption) if pod.disruption is not None else None


def _disruption_by_condition(pod: PodFacts, disruption: Condition) -> tuple[Reason, str]:
    why = disruption.message or pod.message
    if disruption.type == KUEUE_STOPS:  # whatever its reason: each version of Kueue has more of them
        is_preempted = "reempt" in f"{disruption.reason} {why}"
        return Reason.PREEMPTED if is_preempted else Reason.EVICTED, f"Kueue took pod {pod.name} back. {why}".strip()
    match disruption.reason:
        case "PreemptionByScheduler":
            return Reason.PREEMPTED, f"Pod {pod.name} made room for one of higher priority. {why}".strip()
        case "DeletionByTaintManager" if not pod.node_is_silent:
            return Reason.EVICTED, f"Pod {pod.name} was evicted: its node has a taint that it does not tolerate. {why}"
        case "DeletionByTaintManager" | "DeletionByPodGC":
            return Reason.NODE_LOST, f"The node of pod {pod.name} was lost. {why}".strip()
        case _:
            return Reason.EVICTED, f"Pod {pod.name} was evicted. {why}".strip()


def _process_reason(code: int | None, signal: int | None, oom_killed: bool, said: str | None) -> Reason:
    if said == Reason.IDLE_TIMEOUT:
        return Reason.IDLE_TIMEOUT
    if oom_killed:
        return Reason.OOM_KILLED
    if code == 0 and signal is None:
        return Reason.COMPLETED
    if said == Reason.KILLED and signal is not None:
        return Reason.KILLED
    return Reason.KERNEL_CRASHED


def _process_message(reason: Reason, code: int | None, signal: int | None, memory_limit: str, used: str = "") -> str:
    match reason:
        case Reason.COMPLETED:
            return "The kernel ended by itself (exit code 0)."
        case Reason.OOM_KILLED:
            limit = f"its limit of {memory_limit}" if memory_limit else "its limit"
            had = f" (it had used {used})" if used else ""
            return (
                f"The kernel used more memory than {limit}{had} and was killed; its variables are gone. Work on less "
                "data at a time, or give it more memory."
            )
        case Reason.IDLE_TIMEOUT:
            return (
                "The kernel was ended: no client was connected and no CPU used for spec.lifecycle.idleTimeoutSeconds."
            )
        case _ if signal is not None:
            asked = ", for which a client had asked" if reason == Reason.KILLED else ""
            return f"The kernel was ended by signal {signal}{_NAMES.get(signal, '')}{asked}."
        case _ if code is not None:
            return f"The kernel ended with exit code {code}."
        case _:
            return "The kernel ended; its exit code is not known."


def _failed_init(pod: PodFacts) -> str | None:
    """What an init container's failure says about a pod whose kernel never ran."""
    failed = next((c for c in pod.inits if c.terminated is not None and c.terminated.exit_code and not c.sidecar), None)
    return init_failure(failed) if failed is not None else None


def _deleted(name: str) -> str:
    return f"Pod {name} was deleted by somebody else."


def _unseen(pod: PodFacts) -> str:
    node = pod.node or "its node"
    return f"Nobody on {node} saw how the kernel ended: the node, or its container runtime, was started anew."


def _rejection(pod: PodFacts) -> str:
    """The words of a kubelet that did not take a pod: there is no room after all, a device is broken.

    A kubelet that was started anew asks itself once more whether it takes the pods that run on its node.
    """
    return f"Pod {pod.name} was refused by {pod.node or 'its node'} ({pod.reason}). {pod.message}".strip()


def _silent_node(pod: PodFacts, generation: int, now: float) -> Ending:
    """A pod that should be gone but is not: nobody on its node carries out the deletion, or a finalizer keeps it."""
    if pod.node is None and (pod.scheduled is None or not pod.scheduled.is_true):
        why = disruption_of(pod)
        return Ending(generation, *(why or (Reason.POD_DELETED, _deleted(pod.name))), now, by_cluster=why is not None)
    message = f"Pod {pod.name} was deleted and {pod.node or 'its node'} does not confirm its end."
    return Ending(generation, Reason.NODE_LOST, message, now, by_cluster=True)
