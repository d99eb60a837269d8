"""Whose turn it is to start, on an event loop whose clock jumps to the next timer."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fixtures.jumping_loop import JumpingLoop
from kubernel_operator.decide.starting import UNTIL_CONTAINER_SECONDS, UNTIL_READY_SECONDS
from kubernel_operator.turns import Turns

Key = tuple[str, str]


class Line:
    """Turns, and whose turn came, with the time.

    Attributes:
        limit: how many may start at the same time.
    """

    def __init__(self, limit: float = 2) -> None:
        self.limit = limit
        self.woken: list[tuple[Key, float]] = []
        self.turns = Turns(lambda: self.limit, self._wake)

    def _wake(self, key: Key) -> None:
        self.woken.append((key, asyncio.get_running_loop().time()))

    def take(self, *names: str) -> list[bool]:
        """Of those that are written as namespace/name."""
        return [self.turns.take(key_of(name)) for name in names]

    def keep(self, name: str, seconds: float) -> None:
        self.turns.keep(key_of(name), seconds)

    def names(self) -> list[str]:
        """Who was woken, in order."""
        return ["/".join(key) for key, _ in self.woken]


def key_of(name: str) -> Key:
    namespace, _, rest = name.partition("/")
    return namespace, rest


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(steps())


def test_as_many_start_as_may_and_the_others_wait() -> None:
    line = Line(limit=2)

    async def steps() -> None:
        assert line.take("a/1", "a/2", "a/3", "a/3") == [True, True, False, False]
        assert (line.turns.waiting, line.woken) == (1, [])
        line.keep("a/1", 0.0)  # it is ready
        assert line.names() == ["a/3"]
        assert line.take("a/3", "a/4") == [True, False]

    run(steps)


def test_namespaces_take_turns() -> None:
    line = Line(limit=1)

    async def steps() -> None:
        line.take("a/0", "b/0", "a/1", "a/2", "a/3", "b/1", "c/1", "b/2")
        for name in ("a/0", "b/0", "a/1", "b/1", "c/1", "a/2"):
            line.keep(name, 0.0)
        assert line.names() == ["a/1", "b/1", "c/1", "a/2", "b/2", "a/3"]

    run(steps)


def test_what_hangs_in_a_namespace_holds_up_nobody_in_another() -> None:
    line = Line(limit=2)

    async def steps() -> None:
        assert line.take("a/1", "a/2", "a/3", "b/1", "b/2") == [True, True, False, True, False]
        assert line.take("c/1", "d/1") == [True, False], "twice as many start by now"
        line.keep("a/1", 0.0)
        line.keep("b/1", 0.0)
        assert line.names() == ["d/1", "b/2"]
        line.keep("c/1", 0.0)
        line.keep("d/1", 0.0)
        assert line.names() == ["d/1", "b/2"], "a has one that hangs, and b another"
        assert line.turns.waiting == 1

    run(steps)


def test_nobody_waits_behind_a_start_that_takes_long() -> None:
    line = Line(limit=1)

    async def steps() -> None:
        began = asyncio.get_running_loop().time()
        line.take("a/1", "a/2", "a/3")
        line.keep("a/1", UNTIL_READY_SECONDS)  # its container runs
        await asyncio.sleep(60)
        waited = [time - began for _, time in line.woken]
        assert line.names() == ["a/2", "a/3"]
        assert waited == pytest.approx([UNTIL_READY_SECONDS, UNTIL_READY_SECONDS + UNTIL_CONTAINER_SECONDS], abs=0.1)

    run(steps)


def test_a_start_is_counted_from_its_turn_on_however_often_it_is_looked_at() -> None:
    line = Line(limit=1)

    async def steps() -> None:
        line.take("a/1", "a/2")
        for _ in range(20):
            await asyncio.sleep(0.5)
            line.keep("a/1", UNTIL_CONTAINER_SECONDS)
        assert line.names() == ["a/2"]

    run(steps)


def test_who_is_gone_is_not_in_line() -> None:
    line = Line(limit=1)

    async def steps() -> None:
        line.take("a/1", "b/1", "a/2", "b/2")
        line.keep("a/2", 0.0)
        assert line.turns.waiting == 1
        line.keep("a/1", 0.0)
        line.keep("b/1", 0.0)
        assert line.names() == ["b/2"]

    run(steps)


def test_any_number_starts_where_there_is_no_limit() -> None:
    line = Line(limit=math.inf)

    async def steps() -> None:
        assert all(line.take(*(f"a/{i}" for i in range(1000))))

    run(steps)


def test_the_limit_is_what_it_is_by_now() -> None:
    line = Line(limit=1)

    async def steps() -> None:
        line.take("a/1", "a/2", "a/3", "a/4")
        line.limit = 3
        line.keep("a/1", UNTIL_READY_SECONDS)
        assert line.names() == ["a/2", "a/3"]
        line.limit = math.inf
        assert line.take("a/5") == [True]
        assert line.names() == ["a/2", "a/3", "a/4"]

    run(steps)


def test_another_operator_begins_with_an_empty_line() -> None:
    line = Line(limit=1)

    async def steps() -> None:
        line.take("a/1", "a/2")
        line.turns.clear()
        assert line.turns.waiting == 0
        assert line.take("a/3") == [True]
        await asyncio.sleep(60)
        assert line.woken == []

    run(steps)
