"""The questions to pods that are open: asked apart from passes, so that a pod that does not answer holds up none.

A pass says what the pod is to be asked, and goes on; the answer is a reason for the next pass, like any other news.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from .decide.actions import Bind, Question, Restart
from .observe.cache import Key
from .work_queue import WorkQueue

logger = logging.getLogger(__name__)

# How many pods are asked at the same time, in all and of one namespace.
ASKED_AT_ONCE = 64
ASKED_AT_ONCE_IN_NAMESPACE = 8
# The same question is asked again when a quarter of the time has passed in which it was asked in vain: what a pod
# answers is known a quarter later than it could be at worst, and a pod that never does is soon asked but seldom.
PATIENCE = 0.25
AGAIN_FIRST_SECONDS = 0.25
AGAIN_MAX_SECONDS = 15.0


class Questions:
    """At most one question for each KernelInstance: the newest. Belongs to one event loop."""

    def __init__(self, ask: Callable[[Key, Question], Awaitable[None]], asked: Callable[[Key], None]) -> None:
        """No question yet.

        Args:
            ask: asks; takes as long as it takes.
            asked: called after each question, whatever came of it.
        """
        self._ask = ask
        self._asked = asked
        self._open: dict[Key, Question] = {}
        self._since: dict[Key, tuple[Question, float]] = {}  # what was asked before, and when for the first time
        # A start or restart that somebody waits for does not queue behind pods that nobody asks for anything.
        self._urgent = self._queue()
        self._probes = self._queue()

    def put(self, key: Key, question: Question | None) -> None:
        """What a KernelInstance's pod is to be asked from now on; None: nothing."""
        if question is None:
            self._open.pop(key, None)
            self._since.pop(key, None)
        elif question != self._open.get(key):
            self._open[key] = question
            queue = self._urgent if isinstance(question, Restart | Bind) else self._probes
            before, since = self._since.get(key, (None, 0.0))
            if question == before:
                queue.add_after(key, pause(asyncio.get_running_loop().time() - since))
            else:
                queue.add(key)

    async def ask(self, key: Key) -> None:
        """Asks what is to be asked now."""
        question = self._open.pop(key, None)
        if question is None:
            return
        if self._since.get(key, (None, 0.0))[0] != question:
            self._since[key] = question, asyncio.get_running_loop().time()
        try:
            await self._ask(key, question)
        except Exception as error:
            _log_failure(key, error)
        self._asked(key)

    def _queue(self) -> WorkQueue[Key]:
        return WorkQueue(self.ask, _log_failure, share=ASKED_AT_ONCE_IN_NAMESPACE)

    async def run(self) -> None:
        """Works until cancelled."""
        await asyncio.gather(self._urgent.run(ASKED_AT_ONCE), self._probes.run(ASKED_AT_ONCE))


def pause(seconds: float) -> float:
    """How long to wait before the same question is asked again, which has been asked in vain for so many seconds."""
    # Jitter keeps pods that started together from being asked together.
    return min(AGAIN_MAX_SECONDS, max(AGAIN_FIRST_SECONDS, seconds * PATIENCE)) * random.uniform(0.75, 1.0)  # noqa: S311


def _log_failure(key: Key, error: Exception) -> None:
    logger.warning("%s/%s: its pod could not be asked: %s", *key, str(error) or type(error).__name__)
