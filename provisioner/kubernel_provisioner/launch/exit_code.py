"""A KernelInstance's status as ``Popen.poll`` would tell it: None while the kernel runs, else its exit code."""

from __future__ import annotations

import signal
from typing import Any

from kubernel_api.conditions import ConditionType, Reason, is_true

#: A kernel that ended without a known exit code was ended from outside (deleted, evicted, lost with its node).
KILLED = -int(getattr(signal, "SIGKILL", 9))  # Windows has no such signal, and its kernels run on Linux


def exit_code(status: dict[str, Any] | None, *, wanted: int, current: bool, gone: bool = False) -> int | None:
    """None while the kernel runs or starts, else its exit code; negative for a signal.

    Args:
        status: ``status`` of the KernelInstance as last seen.
        wanted: the restartGeneration that was last asked for. The end of an older process is no news: its successor is
            on the way.
        current: whether the operator wrote ``status`` after it saw that request. An older ``Finished`` may yet be
            taken back by it.
        gone: whether the KernelInstance was deleted.
    """
    ended = (status or {}).get("exit")
    if ended and (ended.get("restartGeneration") or 0) >= wanted:
        return code_of(ended)
    if gone:
        return KILLED
    if current and is_true(status, ConditionType.FINISHED):
        return 0 if (status or {}).get("reason") == Reason.COMPLETED else KILLED
    return None


def code_of(ended: dict[str, Any]) -> int:
    """``status.exit`` as ``Popen.returncode``. Absent fields are not known, and never 0."""
    if ended.get("signal"):
        return -int(ended["signal"])
    if ended.get("oomKilled"):
        return KILLED
    code = ended.get("exitCode")
    return KILLED if code is None else int(code)
