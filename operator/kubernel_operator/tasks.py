"""asyncio tasks that run for ever, and waiting for what comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def until_one_ends(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Raises what ended one of them: an operator that does half of its work looks well and is not."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    raise RuntimeError("a task that should run for ever has ended")


async def cancelled(task: asyncio.Future[Any]) -> None:
    """Cancels a task and waits until it has ended. What it raised before is raised here."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def all_of(*work: Coroutine[Any, Any, T]) -> list[T]:
    """The results, in that order. When one raises, the others are cancelled, and it is raised here."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def until_stopped(work: Awaitable[T], stop: asyncio.Event) -> T | None:
    """The result of ``work``, or None when ``stop`` is set before; the work is cancelled then."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        stopped.cancel()
        if not task.done():
            await cancelled(task)
