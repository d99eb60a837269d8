"""Stops and continues all processes of the kernel, those that it has started included."""

import os
import signal

from kubernel_supervisor.start.procfs import descendants, stat_fields

SUSPENDED = "suspended"  # the reason of somebody who has paused the kernel
STOPPED = (b"T", b"t")  # by a signal, by a debugger
ROUNDS = 5  # who forks meanwhile has new children; those of a fork bomb are stopped at the next look


class Freezer:
    """Holds the kernel's processes while there is a reason to; whoever was stopped by somebody else stays so.

    Attributes:
        reasons: why they are held; empty: they run.
    """

    def __init__(self) -> None:
        self.reasons = set()  # type: set[str]
        self._stopped = set()  # type: set[int]

    def hold(self, reason: str, leader: int) -> None:
        """Stops all processes, the kernel's own first; called again, those that have come since."""
        self.reasons.add(reason)
        self._stop([leader])
        for _ in range(ROUNDS):
            if not self._stop(descendants(os.getpid())):
                break

    def _stop(self, pids: "list[int]") -> bool:
        """Whether there was any to stop."""
        running = [pid for pid in pids if pid not in self._stopped and not is_stopped(pid)]
        for pid in running:
            if _sent(pid, signal.SIGSTOP):
                self._stopped.add(pid)
        return bool(running)

    def release(self, reason: str) -> None:
        """Lets them go on, unless there is another reason left."""
        self.reasons.discard(reason)
        if not self.reasons:
            stopped, self._stopped = self._stopped, set()
            for pid in stopped:
                _sent(pid, signal.SIGCONT)


def is_stopped(pid: int) -> bool:
    """Whether a process stands still; so does one that is gone."""
    try:
        return stat_fields(pid)[0] in STOPPED
    except (OSError, IndexError):
        return True


def _sent(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True
