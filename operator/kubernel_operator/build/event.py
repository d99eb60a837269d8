"""Events on KernelInstances: what ``kubectl describe`` shows. Pure."""

from __future__ import annotations

from typing import Any

from kubernel_api.conditions import STALLING, Reason
from kubernel_api.constants import API_VERSION, KIND
from kubernel_operator.clock import rfc3339

COMPONENT = "kubernel-operator"
# The API server refuses longer ones.
MESSAGE_MAX_BYTES = 1024

#: Of a KernelPool: one of its pods has ended or does not answer, and another takes its place.
MEMBER_FAILED = "MemberFailed"
#: Of a KernelInstance: its start has no more CPU than its kernel, since the API server did not allow it.
STARTUP_CPU_REFUSED = "StartupCPURefused"

_WARNINGS: frozenset[str] = STALLING | {
    Reason.UNSCHEDULABLE,
    Reason.QUOTA_EXCEEDED,
    Reason.IMAGE_PULL_FAILED,
    Reason.VOLUME_PENDING,
    Reason.VOLUME_MOUNT_FAILED,
    Reason.API_ERROR,
    Reason.TEMPLATE_NOT_FOUND,
    Reason.NODE_UNREACHABLE,
    Reason.CONNECTION_LOST,
    Reason.POD_REJECTED,
    Reason.KERNEL_CRASHED,
    Reason.OOM_KILLED,
    Reason.EVICTED,
    Reason.PREEMPTED,
    Reason.NODE_LOST,
    Reason.POD_DELETED,
    Reason.START_TIMEOUT,
    Reason.DEADLINE_EXCEEDED,
    Reason.ORPHANED,
    Reason.RESIZE_DEFERRED,
    Reason.RESIZE_INFEASIBLE,
    Reason.RESIZE_REFUSED,
    Reason.MEMORY_LIMIT,
    MEMBER_FAILED,
    STARTUP_CPU_REFUSED,
}
_NEWS = _WARNINGS | {
    Reason.SCHEDULING_GATED,
    Reason.SCALING_UP,
    Reason.IMAGE_PULLING,
    Reason.IDLE_TIMEOUT,
    Reason.RUNNING,
}


def is_news(reason: str, before: str) -> bool:
    """Whether a reason deserves an Event after the last one.

    A start and a restart that go well cost no write; ``Running`` is only said after something else was.
    """
    if reason == before or reason not in _NEWS:
        return False
    return reason != Reason.RUNNING or before != ""


def build_event(
    cr: dict[str, Any], reason: str, message: str, *, suffix: str, now: float, kind: str = KIND
) -> dict[str, Any]:
    """A core/v1 Event. ``suffix`` makes its name unique, ``kind`` is that of the object."""
    metadata = cr["metadata"]
    time = rfc3339(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{suffix}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": kind,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Warning" if reason in _WARNINGS else "Normal",
        "reason": reason,
        "message": message.encode()[:MESSAGE_MAX_BYTES].decode(errors="ignore"),
        "source": {"component": COMPONENT},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
