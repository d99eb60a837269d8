"""The work queue, on an event loop whose clock jumps to the next timer."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop

from fixtures.jumping_loop import JumpingLoop
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_cluster.retry import LONGEST_PAUSE_SECONDS
from kubernel_operator.work_queue import BACKOFF_MAX_SECONDS, REFUSED_MAX_SECONDS, WorkQueue


class Work:
    """A queue and a record of what was done when.

    Attributes:
        fail: how often each key still fails.
        failure: with what; None: with some error of ours.
        during: called while a key is worked on.
    """

    def __init__(self, share: int | None = None, is_new: Callable[[str], bool] = lambda _: False) -> None:
        self.done: list[tuple[str, float]] = []
        self.errors: list[tuple[str, str]] = []
        self.fail: dict[str, int] = {}
        self.failure: Exception | None = None
        self.during: Callable[[str], Awaitable[None]] | None = None
        self.queue: WorkQueue[str] = WorkQueue(self._work, self._failed, share=share, is_new=is_new)

    async def _work(self, key: str) -> None:
        self.done.append((key, asyncio.get_running_loop().time()))
        if self.during is not None:
            await self.during(key)
        if self.fail.get(key, 0):
            self.fail[key] -= 1
            raise self.failure or ValueError(f"{key} failed")

    def _failed(self, key: str, error: Exception) -> None:
        self.errors.append((key, str(error)))

    def keys(self) -> list[str]:
        """What was worked on, in order."""
        return [key for key, _ in self.done]


def run(prepare: Callable[[], Any], work: Work, *, seconds: float = 1000, workers: int = 2) -> None:
    """Runs the queue for this long, by its own clock."""

    async def main() -> None:
        prepare()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work.queue.run(workers), seconds)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())


@contextmanager
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr("random.uniform", lambda _, high: high)
        yield


@pytest.fixture
def work() -> Work:
    """A queue."""
    return Work()


def test_a_key_that_waits_is_worked_on_once(work: Work) -> None:
    run(lambda: [work.queue.add(key) for key in "abaab"], work)
    assert work.keys() == ["a", "b"]


def test_namespaces_take_turns(work: Work) -> None:
    """A thousand keys of one namespace cost another one a single place."""
    keys = [f"a{number}" for number in range(1000)] + ["b0", "b1", "c0"]
    run(lambda: [work.queue.add(key) for key in keys], work, workers=1)
    assert work.keys()[:7] == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]
    assert sorted(work.keys()) == sorted(keys)


def test_new_keys_and_others_take_turns() -> None:
    """A thousand new kernels do not keep one that runs waiting."""
    work = Work(is_new=lambda key: key.startswith("an"))
    keys = [*(f"an{number}" for number in range(1000)), "a0", "a1", "bn", "a2"]
    run(lambda: [work.queue.add(key) for key in keys], work, workers=1)
    assert work.keys()[:8] == ["a0", "bn", "an0", "a1", "an1", "a2", "an2", "an3"]
    assert sorted(work.keys()) == sorted(keys)


def test_a_key_that_is_new_no_more_waits_with_the_others() -> None:
    known: set[str] = set()
    work = Work(is_new=lambda key: key not in known)

    def prepare() -> None:
        for key in ("a0", "a1", "a2", "a3"):
            work.queue.add(key)
        known.add("a3")
        work.queue.add("a3")
        assert work.queue.depth() == 4

    run(prepare, work, workers=1)
    assert work.keys() == ["a3", "a0", "a1", "a2"]


def test_what_is_news_takes_turns_with_what_a_new_leader_looks_through() -> None:
    """Ten thousand kernels that need nothing do not keep a new one waiting after a restart, wherever they are."""
    work = Work(is_new=lambda key: key.endswith("new"))

    def prepare() -> None:
        for number in range(100):
            work.queue.add(f"a{number}")  # while another one led
        work.queue.begin([*(f"{namespace}{n}" for n in range(10) for namespace in "abcd"), "a-new"])
        assert work.queue.depth() == 100 + 30 + 1
        for key in ("a-new", "d7", "e-new"):
            work.queue.add(key)
        assert work.queue.depth() == 100 + 30 + 2
        assert 0 <= work.queue.oldest_seconds() < 60

    run(prepare, work, workers=1)
    assert work.keys()[:7] == ["a-new", "a0", "d7", "b0", "e-new", "c0", "d0"]
    assert len(work.keys()) == len(set(work.keys())) == 132


def test_what_a_new_leader_looks_through_waits_for_what_is_news_one_key_at_a_time(work: Work) -> None:
    """A flood of news does not keep it from ever being looked at."""

    def prepare() -> None:
        work.queue.begin(["a0", "a1"])
        for number in range(2, 100):
            work.queue.add(f"a{number}")

    run(prepare, work, workers=1)
    assert {"a0", "a1"} < set(work.keys()[:4])


def test_a_namespace_that_comes_later_waits_for_one_key_at_most(work: Work) -> None:
    async def during(key: str) -> None:
        await asyncio.sleep(1)
        if key == "a3":
            work.queue.add("b0")

    work.during = during
    run(lambda: [work.queue.add(f"a{number}") for number in range(100)], work, workers=2)
    assert work.keys()[:8] == ["a0", "a1", "a2", "a3", "a4", "a5", "b0", "a6"]


def test_a_namespace_has_its_share_and_no_more() -> None:
    work = Work(share=2)

    async def during(key: str) -> None:
        await asyncio.sleep(1)

    work.during = during
    run(lambda: [work.queue.add(key) for key in ("a0", "a1", "a2", "a3", "a4", "b0")], work, workers=8)
    assert work.done == [("a0", 0), ("b0", 0), ("a1", 0), ("a2", 1), ("a3", 1), ("a4", 2)]


def test_what_is_added_before_and_after_a_run_waits_for_the_next_one(work: Work) -> None:
    run(lambda: work.queue.add("a"), work)
    work.queue.add("b")
    assert work.keys() == ["a"]
    run(lambda: None, work)
    assert work.keys() == ["a", "b"]


def test_depth(work: Work) -> None:
    run(lambda: [work.queue.add(key) for key in "aba"] and work.done.append(("depth", work.queue.depth())), work)
    assert work.done[0] == ("depth", 2)
    assert work.queue.depth() == 0


def test_a_key_that_is_added_while_it_runs_runs_once_more(work: Work) -> None:
    async def during(key: str) -> None:
        if len(work.done) == 1:
            for _ in range(3):
                work.queue.add(key)
                await asyncio.sleep(1)

    work.during = during
    run(lambda: work.queue.add("a"), work)
    assert work.done == [("a", 0.0), ("a", 3.0)]


def test_one_key_never_runs_twice_at_once_and_others_do_not_wait(work: Work) -> None:
    running: list[str] = []

    async def during(key: str) -> None:
        assert key not in running
        running.append(key)
        work.queue.add("a") if len(work.done) == 1 else None
        await asyncio.sleep(1)
        running.remove(key)

    work.during = during
    run(lambda: [work.queue.add(key) for key in "ab"], work)
    assert work.done == [("a", 0.0), ("b", 0.0), ("a", 1.0)]


@pytest.mark.parametrize(
    ("delays", "times"),
    [
        pytest.param([5], [5.0], id="later"),
        pytest.param([5, 3], [3.0], id="an earlier time replaces a later one"),
        pytest.param([3, 5], [3.0], id="a later time does not replace an earlier one"),
        pytest.param([-1], [0.0], id="a time that has passed"),
    ],
)
def test_add_after(work: Work, delays: list[float], times: list[float]) -> None:
    run(lambda: [work.queue.add_after("a", delay) for delay in delays], work)
    assert [time for _, time in work.done] == pytest.approx(times)


def test_a_time_that_has_come_under_uvloop(work: Work) -> None:
    """Its handle is of another type than asyncio's."""

    async def main() -> None:
        work.queue.add_after("a", 0)
        work.queue.add_after("a", 0)
        work.queue.forget("a")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_timer_does_not_end_with_a_run(work: Work) -> None:
    run(lambda: (work.queue.add("a"), work.queue.add_after("a", 7)), work)
    assert work.done == [("a", 0.0), ("a", 7.0)]


def test_forget_drops_the_timer(work: Work) -> None:
    run(lambda: (work.queue.add_after("a", 7), work.queue.forget("a")), work)
    assert work.done == []


def test_a_failure_is_told_and_tried_again_more_and_more_slowly(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.fail["a"] = 3
    with no_jitter(monkeypatch):
        run(lambda: work.queue.add("a"), work)
    assert work.errors == [("a", "a failed")] * 3
    assert [time for _, time in work.done] == pytest.approx([0, 0.05, 0.15, 0.35])


@pytest.mark.parametrize(
    ("failure", "most"),
    [
        pytest.param(None, BACKOFF_MAX_SECONDS, id="it may heal"),
        pytest.param(
            ApiError(403, "Forbidden", "a policy"), REFUSED_MAX_SECONDS, id="a person has to change something"
        ),
        pytest.param(ApiError(409, "Conflict", "a quota"), BACKOFF_MAX_SECONDS, id="somebody was faster"),
    ],
)
def test_back_off_has_an_upper_limit_and_never_ends(
    work: Work, monkeypatch: pytest.MonkeyPatch, failure: Exception | None, most: float
) -> None:
    work.fail["a"], work.failure = 100, failure
    with no_jitter(monkeypatch):
        run(lambda: work.queue.add("a"), work, seconds=10_000)
    times = [time for _, time in work.done]
    assert len(times) == 101
    assert max(b - a for a, b in itertools.pairwise(times)) == pytest.approx(most)


def test_success_resets_the_back_off(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.fail["a"] = 3

    async def during(key: str) -> None:
        if len(work.done) == 4:  # the first success; the next run fails again
            work.queue.add_after("a", 10)
            asyncio.get_running_loop().call_later(5, work.fail.__setitem__, "a", 1)

    work.during = during
    with no_jitter(monkeypatch):
        run(lambda: work.queue.add("a"), work)
    times = [time for _, time in work.done]
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([0.05, 0.1, 0.2, 10, 0.05])


def test_jitter_keeps_failures_apart(work: Work) -> None:
    keys = [str(number) for number in range(20)]
    work.fail = dict.fromkeys(keys, 1)
    run(lambda: [work.queue.add(key) for key in keys], work)
    second = [time for _, time in work.done[20:]]
    assert len(set(second)) == 20
    assert all(0.025 <= time <= 0.05 + 1e-9 for time in second)


@pytest.mark.parametrize(("wanted", "least"), [(20.0, 20.0), (3600.0, LONGEST_PAUSE_SECONDS)])
def test_the_api_server_says_when_it_may_be_asked_again(work: Work, wanted: float, least: float) -> None:
    """News of that key, and what it was to be looked at for anyway, wait as well; other keys do not."""
    work.fail["a"] = 1
    work.failure = ApiUnavailableError("429", status=429, retry_after=wanted)

    async def during(_: str) -> None:
        if len(work.done) == 1:
            loop = asyncio.get_running_loop()
            loop.call_later(1, work.queue.add, "a")
            loop.call_later(2, work.queue.add, "b")
            work.queue.add_after("a", 4)
            work.queue.add("a")

    work.during = during
    run(lambda: work.queue.add("a"), work)
    assert work.keys() == ["a", "b", "a"]
    assert [time for _, time in work.done[:2]] == [0.0, 2.0]
    assert least <= work.done[2][1] <= 1.25 * least, "with jitter, and never sooner"


def test_a_pause_that_the_api_server_wanted_ends(work: Work) -> None:
    """What comes after it is done at once."""
    work.fail["a"] = 1
    work.failure = ApiUnavailableError("429", status=429, retry_after=5.0)
    run(lambda: (work.queue.add("a"), asyncio.get_running_loop().call_later(50, work.queue.add, "a")), work)
    assert work.done[2:] == [("a", 50.0)]


def test_what_is_forgotten_is_not_held_back(work: Work) -> None:
    """One of the same name that is made again is another one."""
    work.fail["a"] = 1
    work.failure = ApiUnavailableError("429", status=429, retry_after=5.0)

    def again() -> None:
        work.queue.forget("a")
        work.queue.add("a")

    run(lambda: (work.queue.add("a"), asyncio.get_running_loop().call_later(1, again)), work)
    assert work.done == [("a", 0.0), ("a", 1.0)]


def test_the_age_of_the_oldest_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding a key again does not make it younger."""
    queue = Work().queue
    assert queue.oldest_seconds() == 0.0
    for now, key in ((100.0, "a"), (103.0, "b"), (104.0, "a")):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        queue.add(key)
    assert queue.oldest_seconds() == 4.0
