"""A de-duplicating work queue: one run per key at a time, back-off per key, and runs at a later time.

The shape is client-go's ``workqueue``: what was added while a key was being worked on is done once more afterwards,
however often it was added.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 30.0


class WorkQueue(Generic[Key]):
    """Runs ``work(key)`` for each added key. Belongs to one event loop."""

    def __init__(self, work: Callable[[Key], Awaitable[None]], on_error: Callable[[Key, Exception], None]) -> None:
        self._work = work
        self._on_error = on_error
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        # With its time: what uvloop returns for a time that has come does not know it.
        self._timers: dict[Key, tuple[float, asyncio.Handle]] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Work on ``key`` soon; once, however often this is called before."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on ``key`` in so many seconds; replaces a later time that was set before, not an earlier one."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is not None:
            if timer[0] <= when:
                return
            timer[1].cancel()
        self._timers[key] = when, loop.call_at(when, self._timer, key)

    def forget(self, key: Key) -> None:
        """Drop the timer and the back-off of a key that is gone."""
        if timer := self._timers.pop(key, None):
            timer[1].cancel()
        self._failures.pop(key, None)

    def depth(self) -> int:
        """How many keys wait for a worker."""
        return len(self._waiting)

    async def run(self, workers: int) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._running.add(key)
            try:
                await self._work(key)
                self._failures.pop(key, None)
            except Exception as error:
                self._on_error(key, error)
                self.add_after(key, self._backoff(key))
            finally:
                self._running.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    def _backoff(self, key: Key) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # Jitter keeps keys that failed together from coming back together.
        seconds = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(failures, 16))
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311

    def _timer(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)
