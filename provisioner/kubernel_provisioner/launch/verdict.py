"""How far a start or restart has got, read from a KernelInstance: the decisions of waiting, without the waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubernel_api.conditions import ConditionType, Phase, is_true


@dataclass(frozen=True)
class Goal:
    """What is waited for.

    Args:
        generation: ``metadata.generation`` of the object that the API server gave back for our write.
        restart: the restartGeneration that the kernel shall have reached.
    """

    generation: int
    restart: int = 0


# As shells have it, and the supervisor: there is no such program, or no such kernelspec in the image.
NOT_FOUND = 127


@dataclass(frozen=True)
class Unseen:
    """No operator has looked at our write yet."""


@dataclass(frozen=True)
class Waiting:
    """It is on its way, or waits for something that can heal."""

    reason: str
    message: str


@dataclass(frozen=True)
class Ready:
    """The kernel's ports accept connections.

    Args:
        connection: ``status.connection``.
    """

    connection: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """No amount of waiting helps.

    Args:
        is_missing: whether the image lacks the kernel's program or kernelspec.
    """

    reason: str
    message: str
    is_missing: bool = False


@dataclass(frozen=True)
class Gone:
    """The KernelInstance was deleted."""


Verdict = Unseen | Waiting | Ready | Failed | Gone


def judge(instance: dict[str, Any], goal: Goal, *, gone: bool = False) -> Verdict:
    """The first of these that holds: gone, failed, ready, not seen by an operator, on its way."""
    status = instance.get("status") or {}
    if gone or "deletionTimestamp" in instance["metadata"]:
        return Gone()
    if _is_over(status, goal.generation) or _ended_anew(status, goal.restart):
        return Failed(*_why(status), (status.get("exit") or {}).get("exitCode") == NOT_FOUND)
    if _is_ready(status, goal.restart):
        return Ready(status["connection"])
    if not is_current(status, goal.generation):
        return Unseen()
    return Waiting(*_why(status))


def is_current(status: dict[str, Any], generation: int) -> bool:
    """Whether the operator wrote ``status`` after it saw that ``metadata.generation``."""
    return int(status.get("observedGeneration") or -1) >= generation


def is_finished(status: dict[str, Any]) -> bool:
    """Whether it is over for good: the operator has said its last word, and looks at no later request."""
    return is_true(status, ConditionType.FINISHED)


def _is_over(status: dict[str, Any], generation: int) -> bool:
    return is_finished(status) or (is_current(status, generation) and is_true(status, ConditionType.STALLED))


def _ended_anew(status: dict[str, Any], restart: int) -> bool:
    """Whether the very process that is waited for has ended already."""
    ended = status.get("exit")
    return (
        status.get("phase") == Phase.EXITED
        and ended is not None
        and int(ended.get("restartGeneration") or 0) >= restart
    )


def _is_ready(status: dict[str, Any], restart: int) -> bool:
    reached = int(status.get("restartGeneration") or 0)
    return (
        is_true(status, ConditionType.READY) and reached >= restart and bool((status.get("connection") or {}).get("ip"))
    )


def _why(status: dict[str, Any]) -> tuple[str, str]:
    return str(status.get("reason") or ""), str(status.get("message") or "")
