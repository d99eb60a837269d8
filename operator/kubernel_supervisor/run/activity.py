"""Whether somebody uses the kernel."""

import time

from kubernel_supervisor.memory.usage import cpu_seconds

from .sockets import has_client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_CPU_SHARE = 0.01  # of one core; an idle ipykernel uses less than 10 ms in 30 s


class Activity:
    """The last moment at which a client was connected or CPU was used, from samples of /proc.

    Whoever may run something is connected to the shell port. A server that only manages the kernel and listens to its
    activity is not: jupyter_client's KernelManager keeps the control port, jupyter_server iopub, for ever.

    Args:
        shell_port: of the kernel.
        beside: pids of processes that are not the kernel's, such as the one that is made for its next restart.

    Attributes:
        last: that moment, monotonic: somebody may set the clock.
    """

    def __init__(self, shell_port: int, beside: "Callable[[], list[int]]" = list) -> None:
        self._shell_port, self._beside = shell_port, beside
        self.restart()

    def restart(self) -> None:
        """Begins to look: a kernel has just become ready, or its idle time is of interest from now on."""
        self.last = self._sampled = time.monotonic()
        self._cpu = self._used()

    def sample(self) -> float:
        """Looks again; returns for how many seconds nothing has happened."""
        now, cpu = time.monotonic(), self._used()
        # One tick (10 ms) more than the share: that is what the clock can tell.
        used = cpu - self._cpu > (now - self._sampled) * IDLE_CPU_SHARE + 0.01
        self._sampled, self._cpu = now, cpu
        if used or has_client(self._shell_port):
            self.last = now
        return now - self.last

    def _used(self) -> float:
        return cpu_seconds() - cpu_seconds(self._beside())
