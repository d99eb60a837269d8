"""What is known and told of the kernel's memory: usage, an end for want of it, and the guard before one."""

import signal
import time

from kubernel_supervisor.run.kernel_state import KernelState
from kubernel_supervisor.run.loop import Loop

from .freezer import Freezer
from .memory_guard import REASON, MemoryGuard
from .usage import available, memory, most_used, oom_kills

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# When the counter of OOM kills is looked at without an occasion, and how long after a process has ended: one kill may
# end several, and the kernel's own end must be compared with a count from before all of them.
OOM_LOOK_SECONDS, OOM_SETTLE_SECONDS = 60.0, 1.0
#: Usage is told so often at most, and only when it has changed by a twentieth of the limit, or of itself.
USAGE_SECONDS, USAGE_SHARE, USAGE_LEAST = 60.0, 20, 16 << 20


class KernelMemory:
    """The memory of the container, for one kernel process after the other.

    Args:
        kernel: what is told of it.
        guard: what becomes of a kernel that gets no more memory, ``Interrupt`` or ``Continue``; "": no guard.
        report: sends a report.
        interrupt: interrupts the kernel.
        give_back: gives memory back that the kernel can do without; whether there was any.
    """

    def __init__(
        self,
        loop: Loop,
        kernel: KernelState,
        freezer: Freezer,
        guard: str,
        report: "Callable[[], None]",
        interrupt: "Callable[[], object]",
        give_back: "Callable[[], bool]",
    ) -> None:
        self._loop, self._kernel, self._freezer, self._report = loop, kernel, freezer, report
        self._guard = None  # type: MemoryGuard | None
        if guard:
            interrupts = guard == "Interrupt"
            self._guard = MemoryGuard(loop, freezer, interrupts, report, interrupt, give_back=give_back)
        self._told = (0, -USAGE_SECONDS)  # bytes, moment
        self.look_at_kills()

    def begin(self, leader: int) -> None:
        """The kernel's process runs."""
        if self._guard is not None:
            self._guard.begin(leader)
        self._loop.later("usage", USAGE_SECONDS, self._tell_usage)

    def end(self) -> None:
        """It has ended, or is about to be ended."""
        self._loop.cancel("usage")
        if self._guard is not None:
            self._guard.end()

    def busy(self) -> None:
        """The kernel's process has used CPU time; told where the guard asked for it."""
        if self._guard is not None:
            self._guard.busy()

    def let_go(self) -> None:
        """Somebody has chosen what becomes of a kernel that stands still for want of memory."""
        if self._guard is not None:
            self._guard.let_go()

    def note(self) -> None:
        """Puts into the state what is to be told of the memory."""
        kernel = self._kernel
        kernel.frozen = sorted(self._freezer.reasons)
        kernel.frozen_at = self._guard.frozen_at if self._guard is not None else None
        if kernel.state in ("waiting", "running") or kernel.frozen or kernel.oom_killed:
            kernel.memory = memory()
            self._told = ((kernel.memory or {}).get("usage") or 0, time.monotonic())
        if kernel.oom_killed and kernel.memory is not None:  # by now it is free again
            kernel.memory = {**kernel.memory, "usage": most_used() or kernel.memory["usage"]}
        if kernel.memory is not None and REASON in kernel.frozen:
            kernel.memory = {**kernel.memory, "available": available()}

    def _tell_usage(self) -> None:
        self._loop.later("usage", USAGE_SECONDS, self._tell_usage)
        now = memory()
        if now is None or self._kernel.state != "running":
            return
        used, (before, moment) = now["usage"] or 0, self._told
        step = max((now["limit"] or used) // USAGE_SHARE, USAGE_LEAST)
        if abs(used - before) >= step and time.monotonic() >= moment + USAGE_SECONDS / 2:
            self._report()

    # Out of memory.

    def look_at_kills(self) -> None:
        """Remembers the counter, so that a kill of long ago is no proof for an end of now."""
        self._kills = oom_kills()
        self._loop.later("oom", OOM_LOOK_SECONDS, self.look_at_kills)

    def process_ended(self) -> None:
        """Some process of the container has."""
        self._loop.later("oom", OOM_SETTLE_SECONDS, self.look_at_kills)

    def has_killed(self, code: "int | None", number: "int | None") -> bool:
        """Whether an end by SIGKILL that nobody asked for was for want of memory."""
        killed = number == signal.SIGKILL or code == 128 + signal.SIGKILL
        return killed and oom_kills() > self._kills
