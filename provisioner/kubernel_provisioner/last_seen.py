"""What is known of a kernel without asking anybody."""

from __future__ import annotations

from typing import Any

from kubernel_api.conditions import ConditionType, Phase, find_condition

from .launch.remote_kernel import RemoteKernel
from .launch.verdict import is_current, is_finished


class LastSeen:
    """The KernelInstance's status as last seen, for a notebook; the part of a provisioner that only reads."""

    @property
    def _kernel(self) -> RemoteKernel:
        raise NotImplementedError

    @property
    def _status(self) -> dict[str, Any]:
        seen = self._kernel.seen
        return seen.status if seen else {}

    @property
    def why_waiting(self) -> tuple[str, str]:
        """Reason and message of the KernelInstance's status, as last seen; empty while there is none."""
        status = self._status
        return str(status.get("reason") or ""), str(status.get("message") or "")

    @property
    def amounts(self) -> dict[str, Any]:
        """What of cpu and memory is in force, as ``limits`` and ``requests``, as last seen; empty: not known."""
        return dict(self._status.get("resources") or {})

    @property
    def suspended(self) -> tuple[str, str]:
        """Reason (``Paused``, ``MemoryLimit``) and message of a kernel that runs and stands still, as last seen.

        Both are empty for one that does not.
        """
        said = find_condition(self._status.get("conditions") or [], ConditionType.SUSPENDED)
        if said is None or said["status"] != "True":
            return "", ""
        return str(said.get("reason") or ""), self._kernel.explain_suspension(str(said["message"]))

    @property
    def why_suspended(self) -> str:
        """Why a kernel that runs stands still, as last seen: it is short of memory, or paused; "" when it does not."""
        return self.suspended[1]

    @property
    def restarts_in_place(self) -> bool:
        """Whether its process has ended and its container has not, so that a restart takes a moment."""
        return self._status.get("phase") == Phase.EXITED and self._kernel.is_supervised

    @property
    def is_over(self) -> bool:
        """Whether it is over for good: a restart by itself cannot bring it back."""
        held, seen = self._kernel.held, self._kernel.seen
        if held is None or seen is None:
            return False
        is_deleted = seen.gone or "deletionTimestamp" in seen.instance["metadata"]
        return is_deleted or (is_current(seen.status, held.generation) and is_finished(seen.status))
