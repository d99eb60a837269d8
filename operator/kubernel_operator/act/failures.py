"""What people hear of a request whose outcome is not known, or that was refused: it is remembered until it succeeds."""

from __future__ import annotations

from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator.decide.actions import Claim, Create, DeleteInstance, DeletePod, ReadKeys, Request, Resize
from kubernel_operator.decide.reasons import is_worth_saying, refusal_of_deletion, refusal_of_failure
from kubernel_operator.observe.observed import DELETION_OF, Memory, Refusal, ResizeAnswer


def remember_failure(
    memory: Memory, action: Request, error: ApiError | ApiUnavailableError, now: float
) -> Refusal | None:
    """What an Event is to tell, since a kernel that has ended has no other way; None: nothing, or nothing new.

    Args:
        memory: of the KernelInstance; the words of its status come from there.
        action: what failed.
        error: how. What refuses other actions than a deletion is said where that happens.
        now: Unix seconds.
    """
    named = _named(action)
    if named is None:
        return None
    key, what = named
    if isinstance(error, ApiError):
        if not isinstance(action, DeletePod | DeleteInstance):
            return None
        refusal = refusal_of_deletion(what, error)
    else:
        memory.failed_times[key] = times = memory.failed_times.get(key, 0) + 1
        if not is_worth_saying(error, times):
            return None
        if isinstance(action, Resize):  # the condition Resizing tells it
            answer = ResizeAnswer(action.pod.uid, action.to, now, error.message, failed=True, restart=action.restart)
            memory.resizes[action.purpose] = answer
            return None
        refusal = refusal_of_failure(what, error)
    is_new = key not in memory.refusals
    memory.refusals[key] = refusal
    return refusal if is_new and isinstance(action, DeletePod | DeleteInstance) else None


def forget_failure(memory: Memory, action: Request) -> None:
    """It has succeeded."""
    if not isinstance(action, Create) and (named := _named(action)) is not None:
        memory.refusals.pop(named[0], None)
        memory.failed_times.pop(named[0], None)


def _named(action: Request) -> tuple[str, str] | None:
    """What it is remembered by, and what has failed, for people; None: nobody waits for it."""
    match action:
        case Create(kind=kind, body=body):
            return kind, f"{body['kind']} could not be created"
        case Claim(member=member):
            return "claim", f"Pod {member.pod.name} of KernelPool {member.pod.pool} could not be claimed"
        case ReadKeys(name=name):
            return "keys", f"Secret {name} could not be read"
        case DeletePod(pod=pod):
            return f"{DELETION_OF}{pod.name}", f"Pod {pod.name} could not be deleted"
        case DeleteInstance():
            return "instance", "This KernelInstance could not be deleted"
        case Resize(pod=pod):
            return "resize", f"Pod {pod.name} could not be resized"
    return None
