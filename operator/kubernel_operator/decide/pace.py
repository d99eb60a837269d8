"""How fast the statuses of one KernelInstance may follow each other. Pure."""

from __future__ import annotations

from kubernel_api.conditions import Phase, Reason

from .situation import ON_THE_WAY, Situation

# A step back waits this long after the last status. Each is a write, and an event for everybody who watches.
PACE_SECONDS = 2.0
# A slow start gets a status; a fast one goes from nothing to Ready in one write. The usual steps of a slow one follow
# each other faster than people read, so they keep that pace, too.
SLOW_START_SECONDS = 1.0
_USUAL = frozenset(
    {
        Reason.PENDING,
        Reason.QUEUED,
        Reason.CREATING,
        Reason.SCHEDULED,
        Reason.CONTAINER_CREATING,
        Reason.KERNEL_STARTING,
        Reason.RESTARTING,
        Reason.POD_REPLACED,
        Reason.IMAGE_PULLING,
        Reason.VOLUME_PENDING,
    }
)

_STEPS = {Phase.RUNNING: 1, Phase.EXITED: 2, Phase.SUCCEEDED: 3, Phase.FAILED: 3}

#: restartGeneration, and how far its process has come.
Progress = tuple[int, int]


def progress(wanted: int, phase: str) -> Progress:
    """How far a status says that things have come."""
    return wanted, next((step for known, step in _STEPS.items() if known == phase), 0)


def may_write_at(now: float, said: Progress, last: Progress, last_at: float, new: Progress) -> float:
    """Unix seconds when a status may be written.

    A process comes from starting to running to exited once, and each of them is said at once. But what runs in the pod
    may claim to come back as often as it likes.

    Args:
        now: the present.
        said: the furthest that was ever said.
        last: of the status that was written last.
        last_at: when that was.
        new: of the status that is to be written.
    """
    starts = said[1] == 0
    still_runs = new == last == said and new[1] == 1
    return now if new > said or starts or still_runs else max(now, last_at + PACE_SECONDS)


def news_at(situation: Situation, reason: str, last_at: float) -> float:
    """Unix seconds when a status is news; 0.0: at once.

    Args:
        situation: where the KernelInstance stands.
        reason: in the status.
        last_at: when the last status was written; 0.0 for never.
    """
    is_usual = situation.stage in ON_THE_WAY and reason in _USUAL and situation.replaces is None
    return max(situation.turn_began + SLOW_START_SECONDS, last_at + PACE_SECONDS) if is_usual else 0.0
