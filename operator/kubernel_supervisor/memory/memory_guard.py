"""Keeps the kernel from being killed for memory: it stands still short of the limit until that has grown."""

import time

from kubernel_supervisor.run.loop import Loop
from kubernel_supervisor.start.console import log

from .cpu_alarm import CpuAlarm
from .freezer import Freezer
from .same_cpu import SameCpu
from .usage import MemoryGauge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
REASON = "memory"
#: Between two looks, in seconds: as long as a process that does nothing else takes to fill what is left, at most
#: FILL_RATE bytes a second. Ten milliseconds let one of numpy get 19 to 125 MiB further, 33 in the median.
SHORTEST_LOOK, LONGEST_LOOK, FILL_RATE = 0.01, 0.1, 4 << 30
FROZEN_LOOK = 0.02
#: A kernel is quiet when its memory has stood still for STILL_SECONDS. Its own process then wakes us when it has used
#: BUSY_CPU, more than an idle ipykernel uses in ten seconds; its children are looked at every STILL_LOOK.
STILL_SECONDS, STILL_CHANGE, BUSY_CPU, STILL_LOOK = 1.0, MIB, 0.005, 0.5
#: Where there is no limit; one may come.
NO_LIMIT_LOOK = 5.0
#: For how long the kernel stands still at most, and how often the operator is told again meanwhile: the one that was
#: told may be gone.
FROZEN_SECONDS, ASK_SECONDS = 30.0, 2.0


def headroom(limit: int) -> int:
    """How many bytes below its limit a kernel is stopped: what it may still take until it stands still."""
    return min(max(limit // 20, 192 * MIB), limit * 2 // 5, 1024 * MIB)


class MemoryGuard:
    """Looks at the container's memory, and stops and continues the kernel.

    Args:
        freezer: stops and continues.
        interrupts: whether a kernel that gets no more memory is interrupted when it goes on.
        tell: called when the operator has to hear of it.
        interrupt: interrupts the kernel.
        gauge: what is used.
        give_back: gives memory back that the kernel can do without; whether there was any.
    """

    def __init__(
        self,
        loop: Loop,
        freezer: Freezer,
        interrupts: bool,
        tell: "Callable[[], None]",
        interrupt: "Callable[[], object]",
        gauge: "MemoryGauge | None" = None,
        give_back: "Callable[[], bool]" = lambda: False,
    ) -> None:
        self._loop, self._freezer, self._interrupts = loop, freezer, interrupts
        self._tell, self._interrupt, self._give_back = tell, interrupt, give_back
        self._gauge = gauge or MemoryGauge()
        self._alarm = None  # type: CpuAlarm | None
        self._same_cpu = None  # type: SameCpu | None
        self._changed = (0, 0.0)  # bytes when they had last changed, and the moment
        self._leader = 0
        self._limit = 0  # when it was stopped
        self._asked_at = 0.0
        self._spent = 0  # the limit at which the kernel has stood still for nothing: not again before that changes
        self.frozen_at = None  # type: float | None

    def begin(self, leader: int) -> None:
        """A kernel runs: its process is ``leader``."""
        self._leader, self._spent = leader, 0
        try:
            self._alarm = CpuAlarm(leader)
        except (ImportError, OSError, AttributeError):
            pass  # it is looked at all the time
        try:
            self._same_cpu = SameCpu(leader)
        except OSError:
            pass  # it has ended
        self._look()

    def busy(self) -> None:
        """The kernel's process has used CPU time."""
        if self._alarm is not None and self.frozen_at is None:
            self._changed = (self._changed[0], time.monotonic())
            self._look()

    def end(self) -> None:
        """The kernel has ended, or is to end."""
        self._loop.cancel(REASON)
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None
        if self._same_cpu is not None:
            self._same_cpu.close()
            self._same_cpu = None
        self.frozen_at = None
        self._freezer.release(REASON)

    def let_go(self) -> None:
        """Somebody has chosen what becomes of a kernel that stands still: it goes on."""
        if self.frozen_at is not None:
            self._spent = self._limit
            self._thaw()

    def _look(self) -> None:
        seconds = self._looked()
        if self._same_cpu is not None:
            (self._same_cpu.follow if seconds <= LONGEST_LOOK else self._same_cpu.leave)()
        self._loop.later(REASON, seconds, self._look)

    def _looked(self) -> float:
        """Looks, acts, and returns after how many seconds to look again."""
        limit = self._gauge.limit()
        if limit is None:
            if self.frozen_at is not None:
                self._thaw()
            return NO_LIMIT_LOOK
        most = limit - headroom(limit)
        left = most - self._gauge.used(most)
        if self.frozen_at is not None:
            return self._looked_at_frozen(limit, left)
        if left > headroom(limit):
            self._spent = 0
        if left <= 0 and limit != self._spent:
            if self._give_back():
                return SHORTEST_LOOK
            self._freeze(limit, most - left)
            return FROZEN_LOOK
        if self._alarm is not None and self._is_steady(most - left):
            self._alarm.after(BUSY_CPU)
            return STILL_LOOK
        return min(max(left / FILL_RATE, SHORTEST_LOOK), LONGEST_LOOK) if left > 0 else LONGEST_LOOK

    def _is_steady(self, used: int) -> bool:
        now = time.monotonic()
        if abs(used - self._changed[0]) >= STILL_CHANGE:
            self._changed = (used, now)
        return now >= self._changed[1] + STILL_SECONDS

    def _freeze(self, limit: int, used: int) -> None:
        self._freezer.hold(REASON, self._leader)
        self.frozen_at = self._asked_at = time.monotonic()
        self._limit = limit
        self._tell()
        log(f"the kernel stands still: it uses {used // MIB} MiB of {limit // MIB} MiB of memory; asking for more")

    def _looked_at_frozen(self, limit: int, left: int) -> float:
        now = time.monotonic()
        if left > 0:
            log(f"the kernel goes on: its memory limit is {limit // MIB} MiB")
            self._thaw()
        elif self.frozen_at is not None and now >= self.frozen_at + FROZEN_SECONDS:
            self._give_up(limit)
        else:
            self._freezer.hold(REASON, self._leader)
            if limit != self._limit or now >= self._asked_at + ASK_SECONDS:
                self._limit, self._asked_at = limit, now
                self._tell()
        return FROZEN_LOOK

    def _give_up(self, limit: int) -> None:
        how = "is interrupted" if self._interrupts else "goes on"
        log(f"the kernel got no more memory than {limit // MIB} MiB within {FROZEN_SECONDS:.0f} s, and {how}")
        if self._interrupts:
            self._interrupt()
        self.let_go()

    def _thaw(self) -> None:
        self.frozen_at = None
        self._freezer.release(REASON)
        self._tell()
