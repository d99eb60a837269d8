"""What to think of a Lease: only the operator's own time counts."""

import itertools

import pytest

from kubernel_operator.decide.leases import (
    Judgement,
    LeaseClock,
    Verdict,
    after_answer,
    after_look,
    after_silence,
    bounded,
    judged,
)
from kubernel_operator.observe.facts import LeaseFacts

NOW = 1000.0


def lease(renewed: str = "t1", duration: float | None = 40, uid: str = "u") -> LeaseFacts:
    return LeaseFacts("ns", "server-1", uid, "1", renewed, duration)


def clock(**fields: float) -> LeaseClock:
    return LeaseClock(**{"renewal": ("u", "t1"), "since": NOW, "duration": 40.0} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["1999-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "9999-12-31T00:00:00Z", ""])
def test_what_is_seen_for_the_first_time_is_as_good_as_renewed(written: str) -> None:
    """After a restart of the operator each Lease has one full duration, whatever its server's clock says."""
    first = after_look(None, lease(written), NOW)
    assert judged(first, True, NOW + 39) == Judgement(Verdict.VALID, NOW + 40)
    assert judged(first, True, NOW + 40) == Judgement(Verdict.LATE)


@pytest.mark.parametrize(
    ("found", "since"),
    [
        pytest.param(lease("t2"), NOW + 30, id="renewed"),
        pytest.param(lease("t0"), NOW + 30, id="renewed, by a clock that was set back"),
        pytest.param(lease(uid="other"), NOW + 30, id="made again"),
        pytest.param(None, NOW + 30, id="gone"),
        pytest.param(lease(), NOW, id="not renewed"),
    ],
)
def test_any_change_counts_from_when_it_was_seen(found: LeaseFacts | None, since: float) -> None:
    assert after_look(clock(), found, NOW + 30).since == since


@pytest.mark.parametrize(("found", "duration"), [(lease(duration=None), 60), (None, 60), (lease(duration=90), 90)])
def test_duration(found: LeaseFacts | None, duration: float) -> None:
    assert after_look(None, found, NOW).duration == duration


@pytest.mark.parametrize(
    ("asked", "longest", "duration"),
    [
        pytest.param(86_400, 3600, 3600, id="a laptop that asks for more"),
        pytest.param(600, 3600, 600, id="a server that asks for less"),
        pytest.param(None, 30, 30, id="the default is more"),
        pytest.param(86_400, 0, 86_400, id="no bound"),
        pytest.param(None, 0, 60, id="no bound, nothing asked for"),
    ],
)
def test_an_admin_bounds_how_long_a_kernel_outlives_its_server(
    asked: float | None, longest: float, duration: float
) -> None:
    assert after_look(None, bounded(lease(duration=asked), longest), NOW).duration == duration


@pytest.mark.parametrize(
    ("known", "judgement"),
    [
        pytest.param(clock(), Judgement(Verdict.LATE), id="never asked"),
        pytest.param(clock(asked=NOW + 81, answered=NOW + 81), Judgement(Verdict.DOUBTFUL, NOW + 101), id="asked once"),
        pytest.param(clock(asked=NOW + 80, answered=NOW + 80), Judgement(Verdict.LATE), id="ask again"),
        pytest.param(
            clock(asked=NOW + 80, answered=NOW + 100), Judgement(Verdict.EXPIRED, NOW + 700), id="confirmed twice"
        ),
    ],
)
def test_a_late_lease(known: LeaseClock, judgement: Judgement) -> None:
    assert judged(known, True, NOW + 100) == judgement


def test_an_answer_that_shows_a_renewal_ends_all_doubts() -> None:
    doubted = clock(asked=NOW + 40, answered=NOW + 40)
    assert after_answer(doubted, lease("t2"), NOW + 60) == LeaseClock(("u", "t2"), NOW + 60, 40)


def test_answers_are_remembered_from_first_to_last() -> None:
    first = after_answer(clock(), lease(), NOW + 40)
    second = after_answer(first, lease(), NOW + 60)
    assert (second.asked, second.answered) == (NOW + 40, NOW + 60)


def test_silence_voids_what_was_asked_before() -> None:
    silent = after_silence(clock(asked=NOW + 40, answered=NOW + 40))
    assert judged(silent, True, NOW + 100) == Judgement(Verdict.LATE)


@pytest.mark.parametrize(
    ("seconds", "judgement"),
    [
        pytest.param(639, Judgement(Verdict.VALID, NOW + 640), id="ran out less than ten minutes ago"),
        pytest.param(640, Judgement(Verdict.ABANDONED), id="ran out ten minutes ago"),
    ],
)
def test_a_lease_that_nothing_goes_by(seconds: float, judgement: Judgement) -> None:
    assert judged(clock(), False, NOW + seconds) == judgement


def test_nothing_that_goes_in_is_changed() -> None:
    """The functions are pure: the same arguments give the same result."""
    for known, found in itertools.product([clock(), clock(asked=1.0, answered=2.0)], [lease(), lease("t2"), None]):
        assert after_look(known, found, NOW) == after_look(known, found, NOW)
        assert after_answer(known, found, NOW) == after_answer(known, found, NOW)
