"""What is known of a kernel, from memory: nothing here waits, or asks anybody."""

from __future__ import annotations

from kubernel_api.conditions import Reason
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.cluster.view import Seen
from kubernel_provisioner.errors import KernelDeletedError
from kubernel_provisioner.ownership import taken_over

from .exit_code import exit_code
from .explaining import OVER, Explanation, explain_end, explain_suspension
from .launching import Held
from .subject import Subject
from .verdict import is_current


class SeenKernel:
    """May be read from any thread; who starts and ends the kernel says here what it holds.

    Attributes:
        held: the kernel; None before it was made, and when it was let go.
    """

    def __init__(self, key: ClusterKey) -> None:
        self._key = key
        self._cluster: Cluster | None = None
        self._inherited: Seen | None = None
        self._starting = False
        self._last_code = 0
        self._coming_end: tuple[Held, int] | None = None
        self._judged: tuple[Held, Seen, int | None] | None = None
        self.held: Held | None = None

    @property
    def seen(self) -> Seen | None:
        """The last known state of the KernelInstance."""
        if self._cluster is None or self.held is None:
            return self._inherited
        return self._cluster.view.get(self.held.name)

    @property
    def namespace(self) -> str:
        """Where it is; empty before the first launch."""
        return self._cluster.api.namespace if self._cluster else ""

    @property
    def is_starting(self) -> bool:
        """Whether a launch is under way."""
        return self._starting

    def poll(self) -> int | None:
        """None while it runs or starts, else its exit code; 0 when there never was one. From memory."""
        held, seen = self.held, self.seen
        if self._starting:
            return None
        if held is None:
            return self._last_code
        code = None if seen is None else self._code_of(held, seen)
        return self._coming_end_of(held) if code is None else code

    def _code_of(self, held: Held, seen: Seen) -> int | None:
        """Judged once per change: 1,000 idle kernels are polled 333 times a second, their statuses cold in memory."""
        judged = self._judged
        if judged is None or judged[0] is not held or judged[1] is not seen:
            current = is_current(seen.status, held.generation)
            code = exit_code(seen.status, wanted=held.restart, current=current, gone=seen.gone)
            judged = self._judged = held, seen, code
        return judged[2]

    def _coming_end_of(self, held: Held) -> int | None:
        if self._coming_end is None:
            return None
        known, code = self._coming_end
        return code if (known.uid, known.restart) == (held.uid, held.restart) else None

    @property
    def is_supervised(self) -> bool:
        """Whether a supervisor takes signals for it; assumed until the status says otherwise."""
        connection = self.seen.status.get("connection") if self.seen else None
        return not connection or "controlPort" in connection

    @property
    def has_crashed(self) -> bool:
        """Whether its process ended by itself, and nobody says more than with which exit code or signal."""
        seen = self.seen
        ended = (seen.status.get("exit") or {}) if seen is not None and not seen.gone else {}
        return ended.get("reason") == Reason.KERNEL_CRASHED

    def explain_end(self, kernelspec: str, *, is_over: bool) -> Explanation | KernelDeletedError:
        """How it ended; ``str`` of it is for people.

        Args:
            kernelspec: see ``Subject``.
            is_over: see ``explaining.explain_end``.
        """
        seen = self.seen
        if seen is not None and seen.taken:
            return taken_over()
        if seen is None:
            return KernelDeletedError("The kernel's KernelInstance was deleted.", OVER)
        subject = self._subject(seen, kernelspec)
        return explain_end(subject, seen.status, seen.instance.get("spec") or {}, gone=seen.gone, is_over=is_over)

    def explain_suspension(self, message: str) -> str:
        """Why it stands still; ``message`` is its status'."""
        return message if self.seen is None else explain_suspension(self._subject(self.seen), message)

    def _subject(self, seen: Seen, kernelspec: str = "") -> Subject:
        name = self.held.name if self.held is not None else seen.instance["metadata"]["name"]
        return Subject(name, self.namespace, self._key.kubectl(), kernelspec)

    def give_out(self) -> Held | None:
        """From now on the kernel outlives this process, until the Lease ends or another process takes it over."""
        if self._cluster is not None and self.held is not None:
            self._cluster.given_out.add(self.held.uid)
        return self.held
