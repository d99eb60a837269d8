"""The one thread of this process that talks to clusters: a daemon with an event loop of its own.

jupyter_client calls one provisioner from several loops and threads, and some of these loops run only during a call or
are closed between two calls. Nothing that lives longer than a call may belong to them, so sessions, watches, locks and
events all live here. Started on first use and kept by process id: a fork gets its own.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import secrets
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

# Seconds that the end of the process waits for deletions under way; the Lease takes care of what is left.
EXIT_PATIENCE_SECONDS = 3.0

log = logging.getLogger(__name__)


class Helpers(ThreadPoolExecutor):
    """Threads that look names up, for instance; once the interpreter ends, which starts no more of them, the caller.

    What the end of the process has to do on the cluster would fail else, wherever the API server has a name.
    """

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Does the work, now or soon."""
        try:
            return super().submit(work, *args, **kwargs)
        except RuntimeError:
            done: Future[T] = Future()
            try:
                done.set_result(work(*args, **kwargs))
            except Exception as error:
                done.set_exception(error)
            return done


class Background:
    """A daemon thread that runs coroutines.

    Attributes:
        server: random name of this process; label of everything it creates.
        loop: runs in the thread.
        shared: what lives as long as the thread, by key; touched in the loop only.
    """

    def __init__(self) -> None:
        self.server = secrets.token_hex(8)
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(Helpers(thread_name_prefix="kubernel"))
        self.shared: dict[Any, Any] = {}
        self._errands: set[asyncio.Task[Any]] = set()
        threading.Thread(target=self.loop.run_forever, name="kubernel", daemon=True).start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts a coroutine in the thread. Cancelling the future cancels it there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the thread and waits for it in the caller's loop; a cancelled caller cancels it."""
        return await asyncio.wrap_future(self.submit(coroutine))

    def errand(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts work that must be finished even if nobody waits for it any more. Only in the loop."""
        task = self.loop.create_task(coroutine)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    async def finish_errands(self, seconds: float) -> None:
        """Waits for the errands under way, this many seconds at most."""
        if self._errands:
            await asyncio.wait(self._errands, timeout=seconds)


_by_process: dict[int, Background] = {}
_lock = threading.Lock()


def background() -> Background:
    """The background thread of this process, started when there is none yet."""
    mine = _by_process.get(os.getpid())
    if mine is None:
        with _lock:
            mine = _by_process.setdefault(os.getpid(), _by_process.get(os.getpid()) or Background())
    return mine


def _after_fork() -> None:
    # The lock may have been held in the parent. Its loop stays in the dict, so that nothing of it is collected here.
    global _lock
    _lock = threading.Lock()


def _at_exit() -> None:
    mine = _by_process.get(os.getpid())
    if mine is None:
        return
    with suppress(Exception):  # the process ends; the Lease runs out by itself
        mine.submit(_leave(mine)).result(EXIT_PATIENCE_SECONDS)
    for shared in list(mine.shared.values()):
        if hasattr(shared, "left_behind") and (said := shared.left_behind()):
            log.warning(said)


async def _leave(mine: Background) -> None:
    await mine.finish_errands(EXIT_PATIENCE_SECONDS / 2)
    closing = [shared.close() for shared in mine.shared.values() if hasattr(shared, "close")]
    await asyncio.gather(*closing, return_exceptions=True)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
