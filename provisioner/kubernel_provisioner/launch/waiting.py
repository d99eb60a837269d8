"""Waits until a KernelInstance is ready, and gives up as soon as waiting cannot help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubernel_provisioner.cluster.view import Seen, View
from kubernel_provisioner.errors import (
    KernelDeletedError,
    KernelFailedError,
    OperatorNotRunningError,
    ProgramNotFoundError,
)

from .explaining import Explanation, explain_start
from .narrator import Narrator
from .subject import Subject
from .verdict import Failed, Goal, Gone, Ready, Unseen, Verdict, Waiting, judge

# Seconds without an operator before the log says so. A running one takes milliseconds, a restarted one a few seconds.
OPERATOR_WARNING_SECONDS = 5.0
# Seconds beyond the start deadline, which the operator keeps: it may be slow, or gone since.
DEADLINE_GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds.

    Args:
        operator: for any operator to look at it.
        start: for the kernel to be ready.
    """

    operator: float
    start: float

    def for_restart(self) -> Patience:
        """For a kernel that has worked: an operator that is away for a while comes back, and it must not be lost."""
        return Patience(self.start + DEADLINE_GRACE_SECONDS, self.start)


async def until_ready(
    view: View, subject: Subject, goal: Goal, patience: Patience, narrator: Narrator
) -> dict[str, Any]:
    """``status.connection`` of the kernel once it is ready.

    Raises:
        KernelFailedError: it cannot get further, ended, or took longer than the deadline.
        KernelDeletedError: it was deleted.
        OperatorNotRunningError: no operator looked at it.
    """
    seen: Seen | None = view.get(subject.name)
    waited_for = ""
    while True:
        verdict = judge(seen.instance, goal, gone=seen.gone) if seen else Gone()
        if isinstance(verdict, Ready):
            return verdict.connection
        _raise_if_over(verdict, subject, _spec(seen), waited_for)
        _narrate(verdict, narrator)
        _raise_if_late(verdict, subject, _spec(seen), patience, narrator)
        waited_for = verdict.reason if isinstance(verdict, Waiting) else waited_for
        seen = await view.change(subject.name, seen, _next_look(verdict, patience, narrator))


async def until_over(view: View, subject: Subject, goal: Goal) -> None:
    """Never returns; raises like ``until_ready`` when the kernel ends after all."""
    while True:
        seen = view.get(subject.name)
        _raise_if_over(judge(seen.instance, goal, gone=seen.gone) if seen else Gone(), subject, _spec(seen))
        await view.change(subject.name, seen, None)


def _spec(seen: Seen | None) -> dict[str, Any]:
    return dict(seen.instance.get("spec") or {}) if seen else {}


def _raise_if_over(verdict: Verdict, subject: Subject, spec: dict[str, Any], waited_for: str = "") -> None:
    match verdict:
        case Failed(reason, message, is_missing):
            type_ = ProgramNotFoundError if is_missing else KernelFailedError
            raise failed(explain_start(subject, reason, message, spec, waited_for), reason, type_)
        case Gone():
            raise KernelDeletedError(
                "The kernel was deleted while it started.", "Start a new one.", "", subject.kubernel("events")
            )


def failed(why: Explanation, reason: str, type_: type[KernelFailedError] = KernelFailedError) -> KernelFailedError:
    """The error with that explanation."""
    return type_(why.what, why.why, why.command, why.more, reason=reason)


def _raise_if_late(
    verdict: Verdict, subject: Subject, spec: dict[str, Any], patience: Patience, narrator: Narrator
) -> None:
    if isinstance(verdict, Unseen) and narrator.seconds >= patience.operator:
        raise OperatorNotRunningError(
            f"No kubernel operator has looked at the kernel for {narrator.seconds:.0f} s.",
            "The operator is not running, or does not watch this namespace.",
            f"{subject.kubectl} get deployments -A -l app.kubernetes.io/name=kubernel",
        )
    if isinstance(verdict, Waiting) and narrator.seconds >= patience.start + DEADLINE_GRACE_SECONDS:
        message = f"{verdict.message.rstrip('.')}. It was waited for {patience.start:.0f} s."
        raise failed(explain_start(subject, verdict.reason, message, spec), verdict.reason)


def _narrate(verdict: Verdict, narrator: Narrator) -> None:
    match verdict:
        case Waiting(reason, message):
            narrator.heard(reason, message)
            narrator.still_waiting(reason, message)
        case Unseen() if narrator.seconds >= OPERATOR_WARNING_SECONDS:
            narrator.warn_once("no kubernel operator has looked at it yet; is one running?")


def _next_look(verdict: Verdict, patience: Patience, narrator: Narrator) -> float:
    """Seconds until there is something to say or to give up, even if nothing changes."""
    if isinstance(verdict, Unseen):
        due = [patience.operator]
        if narrator.seconds < OPERATOR_WARNING_SECONDS:
            due.append(OPERATOR_WARNING_SECONDS)
        return max(0.0, min(due) - narrator.seconds)
    return min(narrator.next_warning, max(0.0, patience.start + DEADLINE_GRACE_SECONDS - narrator.seconds))
