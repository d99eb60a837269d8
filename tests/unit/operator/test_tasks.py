"""The operator as a whole does not outlive one of its parts."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kubernel_operator.tasks import all_of, cancelled, until_one_ends, until_stopped


async def fails() -> None:
    raise KeyError("a bug")


async def returns() -> None:
    pass


@pytest.mark.parametrize(
    ("end", "error"),
    [pytest.param(fails, KeyError, id="fails"), pytest.param(returns, RuntimeError, id="returns")],
)
async def test_the_end_of_one_task_is_told(
    end: Callable[[], Coroutine[Any, Any, None]], error: type[Exception]
) -> None:
    goes_on = asyncio.create_task(asyncio.sleep(3600))
    with pytest.raises(error):
        await until_one_ends([goes_on, asyncio.create_task(end())])
    goes_on.cancel()


async def test_work_ends_with_its_stop_or_with_whoever_waits() -> None:
    """No work is left behind that nobody waits for."""
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    stop = asyncio.Event()
    waits = asyncio.create_task(until_stopped(work("stopped"), stop))
    await asyncio.sleep(0)
    stop.set()
    assert await waits is None
    waits = asyncio.create_task(until_stopped(work("cancelled"), asyncio.Event()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await cancelled(waits)
    assert ended == ["stopped", "cancelled"]


async def test_all_of_some_work() -> None:
    """Results in their order, whichever comes first; the first failure ends the rest."""
    first = asyncio.Event()

    async def waits() -> str:
        await first.wait()
        return "waited"

    async def sets() -> str:
        first.set()
        return "set"

    assert await all_of(waits(), sets()) == ["waited", "set"]
    others = asyncio.all_tasks()
    with pytest.raises(KeyError):
        await all_of(asyncio.sleep(3600), fails())
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == others
