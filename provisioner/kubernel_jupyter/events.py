"""Events for whoever listens at ``/api/events/subscribe``; see ``events.yaml``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("events.yaml")
SCHEMA_ID = "https://kubernel.dev/events/kernel/v1"


class Announcer:
    """Emits each piece of news of one kernel once.

    Args:
        kernel_id: of the kernel.
        kernel_name: of the kernelspec.
        emit: takes the schema's id and an event.
    """

    def __init__(self, kernel_id: str, kernel_name: str, emit: Callable[[str, dict[str, Any]], None]) -> None:
        self._kernel = {"kernel_id": kernel_id, "kernel_name": kernel_name}
        self._emit = emit
        self._last: tuple[str, str] | None = None

    def waiting(self, reason: str, message: str, seconds: float) -> None:
        """It waits; said again only when there is something new to say."""
        if (reason or message) and (reason, message) != self._last:
            self._last = reason, message
            self._say("waiting", reason=reason, message=message, seconds=round(seconds, 1))

    def ready(self, seconds: float) -> None:
        """It is ready."""
        self._say("ready", seconds=round(seconds, 1))

    def failed(self, message: str) -> None:
        """It did not start."""
        self._last = None
        self._say("failed", message=message)

    def died(self, message: str, *, is_over: bool) -> None:
        """It has ended; ``is_over``: and is not restarted."""
        self._say("died", message=message, over=is_over)

    def resized(self, resources: dict[str, Any]) -> None:
        """Other amounts of cpu or memory are in force."""
        self._say("resized", resources=resources)

    def reattached(self) -> None:
        """This server has found it again."""
        self._say("reattached")

    def _say(self, phase: str, **more: Any) -> None:
        self._emit(SCHEMA_ID, {**self._kernel, "phase": phase, **more})
