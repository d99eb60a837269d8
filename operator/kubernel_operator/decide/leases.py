"""Whether the server that created a kernel still lives, by its Lease. Pure: what is known goes in and comes out.

A Lease's times are those of its server's clock, which may be minutes wrong. So they are never compared with another
clock; what counts is how long the operator, by its own steady clock, has not seen them change. client-go's leader
election does the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from kubernel_operator.observe.facts import LeaseFacts

DEFAULT_DURATION_SECONDS = 60.0
# During an outage of the API every Lease grows old, although the servers live and renew theirs as soon as they can.
# So age is only a reason to ask: a Lease is believed to be expired when the API server itself said so twice, this far
# apart, and answered all the time between. Servers retry every 3 s.
EXPIRED_FOR_SECONDS = 20.0
# A server that was killed leaves its Lease behind. One that comes back creates it anew, so there is no hurry.
ABANDONED_AFTER_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class LeaseClock:
    """What is known of one Lease. All times are seconds of the operator's own clock.

    Attributes:
        renewal: uid and renewTime as they were written; None when there is no such Lease.
        since: when ``renewal`` was first seen.
        duration: seconds that a renewal lasts.
        asked: when the API server first confirmed that it is late.
        answered: when it did so last.
    """

    renewal: tuple[str, str] | None
    since: float
    duration: float
    asked: float | None = None
    answered: float | None = None


class Verdict(Enum):
    """What to think of a Lease."""

    VALID = auto()
    LATE = auto()  # the API server is to be asked
    DOUBTFUL = auto()  # it was asked once
    EXPIRED = auto()
    ABANDONED = auto()  # expired long ago, and nothing goes by it


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and when to look again (None: when something happens)."""

    verdict: Verdict
    again_at: float | None = None


def bounded(lease: LeaseFacts, longest: float) -> LeaseFacts:
    """A Lease as the admin wants it to be read.

    Args:
        lease: as its server wrote it.
        longest: seconds that a renewal lasts at most; 0: as the server asks for.
    """
    asked = lease.duration_seconds or DEFAULT_DURATION_SECONDS
    return replace(lease, duration_seconds=min(asked, longest)) if longest else lease


def after_look(clock: LeaseClock | None, lease: LeaseFacts | None, now: float) -> LeaseClock:
    """What is known after a look at the cache. What is seen for the first time is as good as renewed."""
    renewal = (lease.uid, lease.renewed) if lease else None
    duration = (lease.duration_seconds if lease else None) or DEFAULT_DURATION_SECONDS
    if clock is None or clock.renewal != renewal:
        return LeaseClock(renewal, now, duration)
    return replace(clock, duration=duration)


def after_answer(clock: LeaseClock, lease: LeaseFacts | None, now: float) -> LeaseClock:
    """What is known after the API server's own answer."""
    looked = after_look(clock, lease, now)
    if looked.since == now:
        return looked
    return replace(looked, asked=now if looked.asked is None else looked.asked, answered=now)


def after_silence(clock: LeaseClock) -> LeaseClock:
    """What is known when the API server does not answer: its servers cannot renew either, so all doubts are void."""
    return replace(clock, asked=None, answered=None)


def judged(clock: LeaseClock, is_named: bool, now: float) -> Judgement:
    """What to think of a Lease.

    Args:
        clock: what is known of it.
        is_named: whether a KernelInstance goes by it.
        now: seconds of the same clock.
    """
    ends = clock.since + clock.duration
    if now < ends:
        return Judgement(Verdict.VALID, ends)
    if not is_named:
        over = ends + ABANDONED_AFTER_SECONDS
        return Judgement(Verdict.ABANDONED) if now >= over else Judgement(Verdict.VALID, over)
    if clock.asked is None or clock.answered is None:
        return Judgement(Verdict.LATE)
    if clock.answered >= clock.asked + EXPIRED_FOR_SECONDS:
        return Judgement(Verdict.EXPIRED, now + ABANDONED_AFTER_SECONDS)
    again_at = clock.asked + EXPIRED_FOR_SECONDS
    return Judgement(Verdict.LATE) if now >= again_at else Judgement(Verdict.DOUBTFUL, again_at)
