"""Ends a kernel that nobody has used for a while, and tells of activity until then."""

import time

from kubernel_supervisor.memory.freezer import SUSPENDED, Freezer

from .activity import Activity
from .kernel_state import KernelState
from .loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ACTIVITY_SECONDS = 60.0  # between two reports that tell of nothing but activity


class IdleTimeout:
    """Watches a kernel's activity while there is a timeout. A kernel that is paused is not idle.

    Args:
        kernel: has the timeout, and is told of the last activity.
        report: sends a report.
        expired: called when the time is over.
    """

    def __init__(
        self,
        loop: Loop,
        kernel: KernelState,
        activity: Activity,
        freezer: Freezer,
        report: "Callable[[], None]",
        expired: "Callable[[], None]",
    ) -> None:
        self._loop, self._kernel, self._activity, self._freezer = loop, kernel, activity, freezer
        self._report, self._expired = report, expired
        self._reported = (0.0, 0.0)  # value, moment

    def begin(self) -> None:
        """Idle time counts from now on, if there is a timeout."""
        if self._kernel.idle_timeout_seconds:
            self._activity.restart()
            self._look()

    def cancel(self) -> None:
        """The kernel has ended."""
        self._loop.cancel("activity")

    def configure(self, seconds: float, watches: bool) -> None:
        """Changes the timeout; 0: none. Without one nobody looked, so idle time counts from now on.

        Args:
            seconds: the new one.
            watches: whether a kernel runs that may be ended.
        """
        had, self._kernel.idle_timeout_seconds = self._kernel.idle_timeout_seconds, seconds
        self.cancel()
        if not seconds:
            self._kernel.active_at = None
        elif watches and had:
            self._look()
        elif watches:
            self.begin()

    def _look(self) -> None:
        limit = self._kernel.idle_timeout_seconds
        if SUSPENDED in self._freezer.reasons:
            self._activity.restart()
            self._kernel.active_at = self._activity.last
            self._loop.later("activity", min(15.0, limit / 4), self._look)
            return
        idle = self._activity.sample()
        self._kernel.active_at = self._activity.last
        if idle >= limit:
            self._expired()
            return
        value, moment = self._reported
        now = time.monotonic()
        if self._activity.last != value and now - moment >= ACTIVITY_SECONDS:
            self._reported = (self._activity.last, now)
            self._report()
        self._loop.later("activity", min(15.0, limit / 4, limit - idle + 0.01), self._look)
