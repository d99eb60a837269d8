"""Who is asked when, on an event loop whose clock jumps to the next timer."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.jumping_loop import JumpingLoop
from kubernel_operator.decide.actions import Bind, Probe, Question, Restart
from kubernel_operator.observe.cache import Key
from kubernel_operator.questions import ASKED_AT_ONCE, ASKED_AT_ONCE_IN_NAMESPACE, Questions, pause

PROBE = Probe("10.0.0.7", 0, ports_tell=True, why="silence")
RESTART = Restart("10.0.0.7", 1, why="asked for")
BIND = Bind("10.0.0.7", "pool-b", "uid-b", 0, why="it was claimed")
KEY = ("ns", "k1")


class Pods:
    """Pods that are asked, and passes that want the same again after each answer.

    Attributes:
        asked: key, question and time, in order.
        seconds: how long an answer takes.
        again: what is to be asked after an answer; None: nothing any more.
        most: the highest number of questions at the same time, by namespace and in all ("").
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Key, Question, float]] = []
        self.passes: list[float] = []
        self.seconds = 0.0
        self.again: Question | None = PROBE
        self.most: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self.questions = Questions(self._ask, self._answered)

    async def _ask(self, key: Key, question: Question) -> None:
        self.asked.append((key, question, asyncio.get_running_loop().time()))
        for name in ("", key[0]):
            self._now[name] += 1
            self.most[name] = max(self.most[name], self._now[name])
        await asyncio.sleep(self.seconds)
        self._now.subtract(("", key[0]))

    def _answered(self, key: Key) -> None:
        self.passes.append(asyncio.get_running_loop().time())
        self.questions.put(key, self.again)

    def times(self) -> list[float]:
        """When something was asked."""
        return [time for _, _, time in self.asked]


def run(pods: Pods, prepare: Callable[[], Any], seconds: float) -> None:
    async def main() -> None:
        prepare()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pods.questions.run(), seconds)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, high: high)


@pytest.fixture
def pods() -> Pods:
    """Pods that answer at once."""
    return Pods()


def test_a_question_is_asked_at_once_and_its_answer_is_a_reason_for_a_pass(pods: Pods) -> None:
    pods.again = None
    run(pods, lambda: pods.questions.put(KEY, RESTART), 100)
    assert pods.asked == [(KEY, RESTART, 0.0)]
    assert pods.passes == [0.0]


def test_the_same_question_is_asked_less_and_less_often(pods: Pods) -> None:
    run(pods, lambda: pods.questions.put(KEY, PROBE), 3600)
    times = pods.times()
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert times[:6] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0, 1.25])
    assert gaps == sorted(gaps)
    assert gaps[-1] == 15.0
    assert len([time for time in times if time < 60]) <= 30


def test_what_becomes_true_is_known_a_quarter_later_at_most(pods: Pods) -> None:
    """E.g. an image without Python, whose kernel needs a while to open its ports."""
    run(pods, lambda: pods.questions.put(KEY, PROBE), 60)
    for ready in (0.1, 1.0, 3.3, 10.0, 42.0):
        assert next(time for time in pods.times() if time >= ready) <= max(ready + 0.25, ready * 1.25)


def test_another_question_is_asked_at_once(pods: Pods) -> None:
    def later() -> None:
        pods.questions.put(KEY, PROBE)
        asyncio.get_running_loop().call_later(301, pods.questions.put, KEY, RESTART)

    run(pods, later, 301.1)
    assert [question for _, question, time in pods.asked if time >= 301] == [RESTART, PROBE]


def test_nothing_is_asked_that_nobody_wants_to_know_any_more(pods: Pods) -> None:
    def withdrawn() -> None:
        pods.questions.put(KEY, PROBE)
        asyncio.get_running_loop().call_later(0.3, pods.questions.put, KEY, None)

    run(pods, withdrawn, 100)
    assert pods.times() == pytest.approx([0, 0.25])


def test_passes_meanwhile_do_not_ask_more_often(pods: Pods) -> None:
    """A pod that makes news all the time, and answers nothing."""

    def many() -> None:
        pods.seconds = 2.0
        for number in range(200):
            asyncio.get_running_loop().call_later(number / 10, pods.questions.put, KEY, PROBE)

    run(pods, many, 20)
    assert len(pods.asked) <= 8


def test_a_namespace_has_few_questions_at_the_same_time_and_holds_up_no_other(pods: Pods) -> None:
    def many() -> None:
        pods.seconds = 3.0
        for number in range(300):
            pods.questions.put(("silent", f"k{number}"), PROBE)
        asyncio.get_running_loop().call_later(1, pods.questions.put, KEY, PROBE)

    run(pods, many, 100)
    assert pods.most["silent"] == ASKED_AT_ONCE_IN_NAMESPACE
    assert next(time for key, _, time in pods.asked if key == KEY) == 1.0


@pytest.mark.parametrize("urgent", [RESTART, BIND], ids=["restart", "bind"])
def test_what_somebody_waits_for_does_not_wait_for_silent_pods_of_its_own_namespace(
    pods: Pods, urgent: Question
) -> None:
    def many() -> None:
        pods.seconds = 3.0
        for number in range(300):
            pods.questions.put(("ns", f"silent{number}"), PROBE)
        asyncio.get_running_loop().call_later(1, pods.questions.put, KEY, urgent)

    run(pods, many, 10)
    assert next(time for key, _, time in pods.asked if key == KEY) == 1.0


def test_there_is_a_limit_in_all(pods: Pods) -> None:
    def many() -> None:
        pods.seconds = 3.0
        for number in range(1000):
            pods.questions.put((f"ns{number % 50}", f"k{number}"), PROBE)

    run(pods, many, 10)
    assert pods.most[""] == ASKED_AT_ONCE


def test_a_question_that_fails_is_a_reason_for_a_pass_too(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(key: Key, question: Question) -> None:
        raise ValueError(f"{key}, {question}")

    monkeypatch.setattr(pods.questions, "_ask", fails)
    run(pods, lambda: pods.questions.put(KEY, PROBE), 1.1)
    assert pods.passes == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])


def test_pauses_are_not_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    pauses = {pause(40) for _ in range(20)}
    assert len(pauses) > 1
    assert all(7.5 <= each <= 10 for each in pauses)
