"""What is told of the kernel: the one schema of callbacks and of the control port's ``status``."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOG_LIMIT = 2048  # bytes


class KernelState:
    """The kernel's state as the operator is to know it. Moments are monotonic; what is told are ages.

    Attributes:
        state: ``waiting`` (a member of a pool, before it is bound), ``starting``, ``running`` or ``exited``.
        claim: uid of the KernelInstance that a member of a pool is bound to, "" before; None: it is no member.
        since: moment at which ``state`` began.
        process_since: moment at which the process of ``generation`` was started; None before.
        reason: why the supervisor ended the kernel: ``IdleTimeout``, ``Stopped``, ``Terminated`` (SIGTERM to the
            container), ``Killed`` (by a signal that a client has sent); None when it ended by itself.
        log: the kernel's last output, or the supervisor's words, when it did not become ready.
        encryption: ``Curve`` or ``Disabled``, as the ports speak; None until a kernel has been ready.
        active_at: moment of the last activity; None when nobody looks.
        memory: what is used, and the limit; None: not known. Bytes.
        frozen: why the kernel's processes stand still: ``memory``, ``suspended``; empty: they run.
        frozen_at: moment at which they were stopped for want of memory; None: they were not.
    """

    def __init__(self, generation: int, address: str, idle_timeout_seconds: float) -> None:
        self.generation, self.address = generation, address
        self.idle_timeout_seconds = idle_timeout_seconds
        self.active_at = None  # type: float | None
        self.frozen = []  # type: list[str]
        self.frozen_at = None  # type: float | None
        self.encryption = None  # type: str | None
        self.claim = None  # type: str | None
        self.starting()

    def starting(self, memory: "dict[str, int | None] | None" = None) -> None:
        """Another process is to be started. ``memory``: what a member has used while it waited.

        An answer to ``bind`` has that: the node takes up to a millisecond to tell what is used now.
        """
        self.process_since = None  # type: float | None
        self.exit_code = self.signal = None  # type: int | None
        self.oom_killed = False
        self.reason = None  # type: str | None
        self.log = ""
        self.memory = memory
        self.become("starting")

    def become(self, state: str) -> None:
        """Enters a state."""
        self.state, self.since = state, time.monotonic()

    def tell_log(self, text: str, note: str = "") -> None:
        """Sets ``log``: a text, cut to what fits, and the end of it, for a note of our own."""
        room = LOG_LIMIT - len(note.encode("utf-8"))
        kept = text.encode("utf-8", "replace")
        self.log = (kept[-room:] if note else kept[:room]).decode("utf-8", "ignore") + note

    def snapshot(self) -> "Snapshot":
        """The state at this moment, for another thread."""
        fields = {
            "generation": self.generation,
            "state": self.state,
            "ip": self.address,
            "exitCode": self.exit_code,
            "signal": self.signal,
            "oomKilled": self.oom_killed,
            "reason": self.reason,
            "log": self.log,
            "idleTimeoutSeconds": self.idle_timeout_seconds or None,
        }
        if self.claim is not None:
            fields["claim"] = self.claim
        moments = {"age": self.since, "processAge": self.process_since, "idleSeconds": self.active_at}
        if self.encryption is not None:
            fields["encryption"] = self.encryption
        if self.memory is not None:
            fields["memory"] = self.memory
        if self.frozen:
            fields["frozen"] = self.frozen
        if self.frozen_at is not None:
            moments["frozenSeconds"] = self.frozen_at
        return Snapshot(fields, moments)


class Snapshot:
    """A state that does not change any more, but grows older."""

    def __init__(self, fields: "dict[str, Any]", moments: "dict[str, float | None]") -> None:
        self.fields, self._moments = fields, moments

    def now(self) -> "dict[str, Any]":
        """Its fields, with the ages that they have now, in seconds."""
        now = time.monotonic()
        ages = {name: None if at is None else round(now - at, 3) for name, at in self._moments.items()}
        return {**self.fields, **ages}
