"""When a kernel is ready: its ports accept connections on the pod's address, and encrypt as its clients expect."""

import time

from kubernel_supervisor.start.console import log
from kubernel_supervisor.start.settings import Settings

from .kernel_state import KernelState
from .loop import Loop
from .sockets import accepts, mechanism

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What is said to a kernel that is not ready for it.
MUST_LISTEN = "a kernel must listen on the `ip` of its connection file."
NO_IPV6 = (
    "This pod's address {} is of IPv6. A kernel has to listen on `::` here, and ipykernel (7.4) cannot:"
    " it needs pods whose first address is of IPv4.\n"
)
# So long a kernel whose ports accept may take to say what they speak: on a busy node its threads wait for their turn.
SPEAKS_SECONDS = 10.0
CAN_ENCRYPT = "ipykernel does so since 7.3; for others set spec.connection.encryption to Auto or Disabled."


class Readiness:
    """Looks at the ports of each kernel process until all of them answer; then calls ``ready``."""

    def __init__(
        self,
        loop: Loop,
        kernel: KernelState,
        settings: Settings,
        report: "Callable[[], None]",
        ready: "Callable[[], None]",
    ) -> None:
        self._loop, self._kernel, self._settings = loop, kernel, settings
        self._report, self._ready = report, ready
        self._silent = []  # type: list[int]
        self._spoken = set()  # type: set[str | None]  # how they are secured, if the process has said so
        self._asked = 0.0  # the moment when the ports were first asked what they speak

    def begin(self, spoken: "Sequence[str]" = (), listens: bool = False) -> None:
        """Looks at the ports of a process that has just been started. Each connection costs the kernel CPU.

        Args:
            spoken: how they are secured, where that is known; else they are asked.
            listens: the process has said that it listens on all of them: one that accepts at the pod's address shows
                that they can be reached.
        """
        ports = list(self._settings.ports.values())
        self._silent = [] if listens and accepts(self._settings.address, ports[0]) else ports
        self._spoken, self._asked = set(spoken), 0.0
        self._look()

    def cancel(self) -> None:
        """That process has ended, or is about to."""
        self._loop.cancel("ready")

    def note(self) -> str:
        """What may have kept a process that has ended from ever listening; "" when there is nothing."""
        is_mute = len(self._silent) == len(self._settings.ports)
        return NO_IPV6.format(self._settings.address) if is_mute and ":" in self._settings.address else ""

    def _look(self) -> None:
        """Every 5 ms at first, later every 2 % of the time that it took so far."""
        address = self._settings.address
        while self._silent and accepts(address, self._silent[-1]):
            self._silent.pop()
        if not self._silent and self._encrypts_as_wanted():
            self._ready()
            return
        port = self._silent[-1] if self._silent else 0
        if port and not self._kernel.log and accepts("127.0.0.1", port) and not accepts(address, port):
            self._objects(f"listens on 127.0.0.1 only, not on the pod's address {address}; {MUST_LISTEN}")
        age = time.monotonic() - self._kernel.since
        self._loop.later("ready", min(max(0.005, age / 50), 0.25), self._look)

    def _encrypts_as_wanted(self) -> bool:
        """Looks what the ports speak. What the first kernel showed holds for those after it: clients have its keys."""
        settings = self._settings
        if settings.encryption != "Disabled":
            self._asked = self._asked or time.monotonic()
            spoken = self._spoken or {mechanism(settings.address, port) for port in settings.ports.values()}
            if None in spoken and time.monotonic() - self._asked < SPEAKS_SECONDS:
                return False
            can = spoken == {"CURVE"}
            if settings.encryption == "Curve" and not can:
                if not self._kernel.log:
                    self._objects(f"does not encrypt its channels; {CAN_ENCRYPT}")
                return False
            settings.encryption = "Curve" if can else "Disabled"
        self._kernel.encryption = settings.encryption
        return True

    def _objects(self, what: str) -> None:
        """Says why the kernel is not ready although it runs."""
        message = f"The kernel {what}"
        log(message)
        self._kernel.tell_log(message)
        self._report()
