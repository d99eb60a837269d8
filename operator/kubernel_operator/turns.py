"""Whose turn it is to start a kernel, where more are to start than their nodes have CPUs for.

In line are the namespaces, and in each the KernelInstances in the order in which they came: who starts a hundred
kernels waits for them, and everybody else for one. A namespace none of whose kernels is starting does not even wait for
that, as long as not twice as many start: what hangs in one namespace holds up nobody in another.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from .decide.plan import pod_due
from .decide.situation import Situation
from .decide.starting import UNTIL_CONTAINER_SECONDS, seconds_counted
from .observe.cache import Key
from .observe.observed import Memory, Observed


@dataclass
class _Turn:
    """In the loop's time: since when a start is counted, and until when."""

    since: float
    until: float


class Turns:
    """Belongs to one event loop. What has its pod already when an operator begins to lead is not counted."""

    def __init__(self, limit: Callable[[], float], wake: Callable[[Key], None]) -> None:
        """Nobody starts, and nobody waits.

        Args:
            limit: asked again and again, since nodes come and go; infinity for any number.
            wake: has a KernelInstance looked at whose turn has come.
        """
        self._limit, self._wake = limit, wake
        self._turns: dict[Key, _Turn] = {}
        self._lines: dict[str, dict[Key, None]] = {}  # by namespace, in the order of their turns
        self._timer: asyncio.TimerHandle | None = None

    def with_turn(self, key: Key, memory: Memory, found: Situation, observed: Observed, now: float) -> Observed:
        """What is observed, and whether it has to wait, where a pod of its own is to be made now.

        Args:
            key: a KernelInstance that needs a pod.
            memory: remembers when its turn came.
            found: where it stands.
            observed: what is known of it. A pool's pod, if it has one, is claimed at once.
            now: Unix seconds.
        """
        if found.objection is not None or observed.member is not None or now < pod_due(found, observed):
            return observed
        if not self.take(key):
            return replace(observed, waits_for_turn=int(self._limit()))
        memory.turn_began = now
        return observed

    def passed(self, key: Key, memory: Memory, found: Situation, observed: Observed) -> None:
        """What comes of a pass for those in line."""
        if observed.waits_for_turn:
            return
        is_made = memory.incarnation_seen > found.incarnation
        self.keep(key, UNTIL_CONTAINER_SECONDS if is_made else seconds_counted(found))

    def take(self, key: Key) -> bool:
        """Whether a KernelInstance may get its pod now; otherwise it is in line, and is woken."""
        if key in self._turns or (not self._lines and math.isinf(self._limit())):
            return True
        self._lines.setdefault(key[0], {}).setdefault(key)
        self._advance(wake=lambda woken: None if woken == key else self._wake(woken))
        return key in self._turns

    def keep(self, key: Key, seconds: float) -> None:
        """How long a start is counted, since it got its turn; 0.0: no longer, nor is it in line."""
        if seconds <= 0.0 and (line := self._lines.get(key[0])) is not None and key in line:
            del line[key]
            if not line:
                del self._lines[key[0]]
        if (turn := self._turns.get(key)) is not None:
            turn.until = turn.since + seconds
            self._advance(self._wake)

    def clear(self) -> None:
        """Nobody starts, and nobody waits: another operator decides."""
        self._turns.clear()
        self._lines.clear()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def waiting(self) -> int:
        """How many are in line."""
        return sum(map(len, self._lines.values()))

    def _advance(self, wake: Callable[[Key], None]) -> None:
        """Ends the turns whose time is over, and gives them to those in line."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for over in [key for key, turn in self._turns.items() if turn.until <= now]:
            del self._turns[over]
        while (key := self._next()) is not None:
            self._turns[key] = _Turn(now, now + UNTIL_CONTAINER_SECONDS)
            wake(key)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            soonest = min(turn.until for turn in self._turns.values())
            self._timer = loop.call_at(soonest, self._advance, self._wake)

    def _next(self) -> Key | None:
        """Whose turn it is; their namespace goes to the end of the line."""
        limit = self._limit()
        room = len(self._turns) < limit
        starting = {namespace for namespace, _ in self._turns} if len(self._turns) < 2 * limit else None
        for namespace, line in self._lines.items():
            if room or (starting is not None and namespace not in starting):
                del self._lines[namespace]
                key = next(iter(line))
                del line[key]
                if line:
                    self._lines[namespace] = line
                return key
        return None
