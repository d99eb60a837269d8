"""A de-duplicating work queue: one run per key at a time, back-off per key, and runs at a later time.

The shape is client-go's ``workqueue``: what was added while a key was being worked on is done once more afterwards,
however often it was added. Unlike there, the next key is taken from the next namespace: who adds a thousand keys waits
for them, and everybody else for one. And in a namespace, keys that are new and others take turns: a thousand new
kernels do not keep one that runs from being told to have ended.

Who begins to lead looks at everything once, ten thousand kernels perhaps. That takes turns with what is news meanwhile,
whatever namespaces both are of.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from kubernel_cluster.errors import ApiError
from kubernel_cluster.retry import wanted_pause

#: Its first part is the namespace.
Key = TypeVar("Key", bound=Sequence[str])

FORBIDDEN = 403
BACKOFF_FIRST_SECONDS = 0.05
# What fails is said, and heals, within seconds: people wait for it.
BACKOFF_MAX_SECONDS = 5.0
# But for what a policy, a webhook or missing rights refuse: that heals when a person has changed something, and a
# thousand objects that may not be deleted are 200 requests a second otherwise.
REFUSED_MAX_SECONDS = 60.0


class _Line(Generic[Key]):
    """The keys of one namespace that wait, with the time at which each was added (monotonic seconds)."""

    def __init__(self) -> None:
        self._lines: tuple[dict[Key, float], dict[Key, float]] = ({}, {})  # others, new ones
        self._next = 0

    def __len__(self) -> int:
        return sum(map(len, self._lines))

    def times(self) -> Iterator[tuple[Key, float]]:
        for line in self._lines:
            yield from line.items()

    def add(self, key: Key, since: float, *, new: bool = False) -> None:
        mine, other = self._lines[new], self._lines[not new]
        mine.setdefault(key, other.pop(key, since))

    def remove(self, key: Key) -> float | None:
        """Since when it has waited; None when it does not."""
        found = [line.pop(key) for line in self._lines if key in line]
        return found[0] if found else None

    def pop(self) -> Key:
        """The one whose turn it is."""
        line = self._lines[self._next] or self._lines[1 - self._next]
        self._next = 1 - self._next
        key = next(iter(line))
        del line[key]
        return key


class WorkQueue(Generic[Key]):
    """Runs ``work(key)`` for each added key. Belongs to one event loop."""

    def __init__(
        self,
        work: Callable[[Key], Awaitable[None]],
        on_error: Callable[[Key, Exception], None],
        *,
        share: int | None = None,
        is_new: Callable[[Key], bool] = lambda _: False,
    ) -> None:
        """A queue.

        Args:
            work: what to do for a key.
            on_error: told of each failure; the key is worked on again later.
            share: how many keys of one namespace are worked on at the same time; None: no limit.
            is_new: whether a key that is added waits in line with the new ones.
        """
        self._work = work
        self._on_error = on_error
        self._share = share
        self._is_new = is_new
        self._workers = 0
        self._tasks: asyncio.TaskGroup | None = None
        # By namespace, in the order of their turns; a namespace is here only while it has keys. What is news, and what
        # is to be looked at once because a term began, take turns.
        self._waiting: dict[str, _Line[Key]] = {}
        self._unseen: dict[str, _Line[Key]] = {}
        self._unseen_is_next = False
        self._busy: Counter[str] = Counter()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        # With its time: what uvloop returns for a time that has come does not know it.
        self._timers: dict[Key, tuple[float, asyncio.Handle]] = {}
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, float] = {}  # in the loop's time: the API server wants to be left alone

    def add(self, key: Key) -> None:
        """Work on ``key`` soon; once, however often this is called before.

        News of a key that the API server told to come back later waits, too: it would bring the same request.
        """
        if key in self._running:
            self._again.add(key)
        elif key in self._not_before:
            self.add_after(key, 0.0)
        else:
            since = self._no_more_unseen(key) or time.monotonic()
            self._waiting.setdefault(key[0], _Line()).add(key, since, new=self._is_new(key))
            self._start()

    def begin(self, keys: Iterable[Key]) -> None:
        """Work on all of these, and on whatever waits now, beside what is added from now on."""
        waiting = [key for line in self._waiting.values() for key, _ in line.times()]
        self._waiting.clear()
        now = time.monotonic()
        for key in (*waiting, *keys):
            self._unseen.setdefault(key[0], _Line()).add(key, now)
        self._start()

    def _no_more_unseen(self, key: Key) -> float | None:
        line = self._unseen.get(key[0])
        if line is None or (since := line.remove(key)) is None:
            return None
        if not line:
            del self._unseen[key[0]]
        return since

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on ``key`` in so many seconds; replaces a later time that was set before, not an earlier one."""
        loop = asyncio.get_running_loop()
        when = max(loop.time() + max(0.0, seconds), self._not_before.get(key, 0.0))
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
        self._not_before.pop(key, None)

    def depth(self) -> int:
        """How many keys wait for a worker."""
        return sum(map(len, (*self._waiting.values(), *self._unseen.values())))

    def oldest_seconds(self) -> float:
        """How long the key that waits longest has waited; 0.0 when none does."""
        now = time.monotonic()
        lines = (*self._waiting.values(), *self._unseen.values())
        return now - min((added for line in lines for _, added in line.times()), default=now)

    async def run(self, workers: int) -> None:
        """Works until cancelled, on at most so many keys at the same time."""
        self._workers = workers
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                self._start()
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    def _start(self) -> None:
        """Works on as many of the waiting keys as may be worked on now."""
        while self._tasks is not None and len(self._running) < self._workers and (key := self._next()) is not None:
            self._running.add(key)
            self._busy[key[0]] += 1
            self._tasks.create_task(self._run(key))

    def _next(self) -> Key | None:
        rows = self._waiting, self._unseen
        first, second = reversed(rows) if self._unseen_is_next else rows
        if (key := self._first_of(first)) is None:
            return self._first_of(second)
        self._unseen_is_next = not self._unseen_is_next
        return key

    def _first_of(self, row: dict[str, _Line[Key]]) -> Key | None:
        """A key of the namespace whose turn it is; that namespace goes to the end of the row."""
        for namespace, line in row.items():
            if self._share is None or self._busy[namespace] < self._share:
                del row[namespace]
                key = line.pop()
                if line:
                    row[namespace] = line
                return key
        return None

    async def _run(self, key: Key) -> None:
        try:
            await self._work(key)
            self._failures.pop(key, None)
        except Exception as error:
            self._on_error(key, error)
            if pause := wanted_pause(error):
                self._pause(key, pause)
            self.add_after(key, self._backoff(key, error))
        finally:
            self._running.discard(key)
            self._busy[key[0]] -= 1
            if not self._busy[key[0]]:
                del self._busy[key[0]]
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            self._start()

    def _pause(self, key: Key, seconds: float) -> None:
        """Nothing is done for ``key`` before, whatever it was to be looked at for."""
        self._not_before[key] = asyncio.get_running_loop().time() + seconds
        if timer := self._timers.pop(key, None):
            timer[1].cancel()

    def _backoff(self, key: Key, error: Exception) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # Jitter keeps keys that failed together from coming back together.
        is_refused = isinstance(error, ApiError) and error.status == FORBIDDEN
        most = REFUSED_MAX_SECONDS if is_refused else BACKOFF_MAX_SECONDS
        seconds = min(most, BACKOFF_FIRST_SECONDS * 2.0 ** min(failures, 16))
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311

    def _timer(self, key: Key) -> None:
        self._timers.pop(key, None)
        self._not_before.pop(key, None)
        self.add(key)
