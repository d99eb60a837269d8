"""The vocabulary of a KernelInstance's status: condition types, phases and the closed set of reasons.

What to trust: ``Ready`` for "can I connect", ``Finished`` for "is it over" (it never goes back), ``Stalled`` for "it
cannot get further by itself". ``phase`` is for people: it is derived from these and never read back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal

ConditionStatus = Literal["True", "False", "Unknown"]


class ConditionType(StrEnum):
    """The condition types. ``Ready``, ``Reconciling`` and ``Stalled`` have the meaning that kstatus gives them.

    It waits for whatever says that it is not Ready, so what is over for good has no such condition: kstatus calls it
    Current, and Failed if it is ``Stalled``.
    """

    READY = "Ready"  # True: the kernel's five ports accept connections; not there once it is over
    RECONCILING = "Reconciling"  # True: starting or restarting; helm --wait goes on waiting
    STALLED = "Stalled"  # True: needs a person, or has failed; the message says what for, or why
    POD_SCHEDULED = "PodScheduled"  # copied from the pod
    FINISHED = "Finished"  # True: over for good; the reason is the last word
    SUSPENDED = "Suspended"  # True: the kernel's processes stand still and keep their memory
    RESIZING = "Resizing"  # True: more or less cpu or memory is on its way; there once it was asked for


class Phase(StrEnum):
    """One word for people."""

    PENDING = "Pending"  # no container runs yet
    STARTING = "Starting"  # the container runs, the kernel does not answer yet
    RUNNING = "Running"
    EXITED = "Exited"  # the kernel ended; a restart in place is possible for some seconds more
    SUCCEEDED = "Succeeded"  # over, exit code 0
    FAILED = "Failed"  # over, anything else


class Reason(StrEnum):
    """Why a KernelInstance is in its phase: the same word in status, condition, Event and the notebook's exception."""

    # On the way.
    PENDING = "Pending"  # accepted, nothing known yet
    WAITING_FOR_OPERATOR = "WaitingForOperator"  # the schema's default: no operator has seen it
    QUEUED = "Queued"  # as many kernels as may start at a time do
    CREATING = "Creating"
    SCHEDULED = "Scheduled"
    IMAGE_PULLING = "ImagePulling"
    CONTAINER_CREATING = "ContainerCreating"
    WAITING_FOR_KEY = "WaitingForKey"  # the connection Secret is its client's to make, and is not there
    KERNEL_STARTING = "KernelStarting"
    RESTARTING = "Restarting"
    POD_REPLACED = "PodReplaced"
    # Waiting for something that can still heal.
    UNSCHEDULABLE = "Unschedulable"
    SCHEDULING_GATED = "SchedulingGated"  # somebody, Kueue for example, keeps the scheduler from looking at the pod
    SCALING_UP = "ScalingUp"  # an autoscaler adds a node for the pod
    QUOTA_EXCEEDED = "QuotaExceeded"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    VOLUME_PENDING = "VolumePending"
    VOLUME_MOUNT_FAILED = "VolumeMountFailed"
    API_ERROR = "APIError"
    TEMPLATE_NOT_FOUND = "TemplateNotFound"  # the KernelTemplate is not there (yet)
    # Needs a person.
    FORBIDDEN = "Forbidden"
    POD_SECURITY_VIOLATION = "PodSecurityViolation"
    INVALID_IMAGE_NAME = "InvalidImageName"
    IMAGE_REFUSED = "ImageRefused"  # by the registry, twice: there is no such image, or it is not for us
    CONFIG_ERROR = "ConfigError"
    NAME_CONFLICT = "NameConflict"
    # Fine.
    RUNNING = "Running"
    # Not so fine.
    NODE_UNREACHABLE = "NodeUnreachable"  # the kernel may run on: nobody knows
    CONNECTION_LOST = "ConnectionLost"  # the Service was deleted; in an Event: the Secret was, and has a new key
    # Of a resize, in the condition Resizing and in Events; the kernel runs on whatever becomes of it.
    RESIZED = "Resized"
    RESIZE_IN_PROGRESS = "ResizeInProgress"
    RESIZE_DEFERRED = "ResizeDeferred"  # the node has no room now
    RESIZE_INFEASIBLE = "ResizeInfeasible"  # the node never has
    RESIZE_REFUSED = "ResizeRefused"  # by the API server: a quota, a LimitRange, the QoS class, an older Kubernetes
    # Of a kernel that stands still, in the condition Suspended and in Events.
    MEMORY_LIMIT = "MemoryLimit"  # short of its memory limit, and there is no more, or not yet
    PAUSED = "Paused"  # by spec.suspend
    # The end.
    COMPLETED = "Completed"  # exit code 0
    KILLED = "Killed"  # by SIGTERM or SIGKILL, for which a client had asked
    KERNEL_CRASHED = "KernelCrashed"  # any other exit code or signal
    OOM_KILLED = "OOMKilled"
    EVICTED = "Evicted"
    PREEMPTED = "Preempted"
    NODE_LOST = "NodeLost"
    POD_REJECTED = "PodRejected"  # the node did not take the pod, and neither did others, or not again
    POD_DELETED = "PodDeleted"  # somebody deleted the pod
    START_TIMEOUT = "StartTimeout"
    IDLE_TIMEOUT = "IdleTimeout"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    ORPHANED = "Orphaned"


#: What no amount of waiting heals: the operator says ``Stalled``, the provisioner gives up at once.
STALLING: Final = frozenset(
    {
        Reason.FORBIDDEN,
        Reason.POD_SECURITY_VIOLATION,
        Reason.INVALID_IMAGE_NAME,
        Reason.IMAGE_REFUSED,
        Reason.CONFIG_ERROR,
        Reason.NAME_CONFLICT,
    }
)


def condition(
    type_: ConditionType,
    status: ConditionStatus,
    reason: str,
    message: str,
    *,
    generation: int,
    previous: list[dict[str, Any]],
    now: str,
) -> dict[str, Any]:
    """A condition as it goes into ``status.conditions``.

    ``lastTransitionTime`` moves only when ``status`` changes, as Kubernetes' API conventions ask.

    Args:
        type_: which condition.
        status: "True", "False" or "Unknown".
        reason: CamelCase word, a ``Reason`` or one copied from Kubernetes.
        message: a sentence for people.
        generation: ``metadata.generation`` of the KernelInstance that this was computed from.
        previous: the conditions as they are now.
        now: RFC 3339 time in UTC, seconds resolution.
    """
    before = find_condition(previous, type_)
    same = before is not None and before.get("status") == status
    return {
        "type": str(type_),
        "status": status,
        "reason": str(reason),
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if same and before is not None else now,
    }


def whether_ready(
    status: ConditionStatus,
    reason: str,
    message: str,
    *,
    stalled: bool,
    generation: int,
    previous: list[dict[str, Any]],
    now: str,
) -> list[dict[str, Any]]:
    """``Ready``, and ``Stalled``, without which kstatus waits for ever for what does not become ready.

    The arguments are those of ``condition`` for ``Ready``, and ``stalled``: whether a person is needed.
    """

    def made(type_: ConditionType, status: ConditionStatus, message: str) -> dict[str, Any]:
        return condition(type_, status, reason, message, generation=generation, previous=previous, now=now)

    return [
        made(ConditionType.READY, status, message),
        made(ConditionType.STALLED, "True" if stalled else "False", message if stalled else ""),
    ]


def find_condition(conditions: list[dict[str, Any]], type_: ConditionType) -> dict[str, Any] | None:
    """The condition of that type, or None."""
    for each in conditions:  # seven times in a pass: a generator costs twice as much
        if each.get("type") == type_:
            return each
    return None


def is_true(status: dict[str, Any] | None, type_: ConditionType) -> bool:
    """Whether ``status`` (of a KernelInstance) has that condition with status "True"."""
    found = find_condition((status or {}).get("conditions") or [], type_)
    return found is not None and found.get("status") == "True"
