"""Kernels without a page: what they say is kept, and nobody is their client."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

# How often a kernel without a page is looked at until it has nothing to do, which is when its last reply comes.
LEAVE_SECONDS = 2.0


def go_on(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    """Does something meanwhile. It is among ``tasks`` until it is done: the event loop itself does not keep it."""
    task = asyncio.ensure_future(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


class BufferingKernelManager(AsyncMappingKernelManager):
    """Lets go of the shell channel of a kernel of ours whose last page is gone: ``idle_timeout_seconds`` counts it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._leaving: set[asyncio.Task[None]] = set()

    def is_ours(self, kernel_id: str) -> bool:
        """Whether a kernel runs, or will run, in a pod."""
        raise NotImplementedError

    def start_buffering(self, kernel_id: str, session_key: str, channels: Any) -> None:
        """The last page is gone. What the kernel says is kept, but nobody is its client any more.

        ``idle_timeout_seconds`` counts whoever is connected to the shell port. The reply to a cell that still runs is
        waited for.
        """
        super().start_buffering(kernel_id, session_key, channels)
        if self.is_ours(kernel_id):
            go_on(self._leaving, self._leave_when_idle(kernel_id, session_key))

    async def _leave_when_idle(self, kernel_id: str, session_key: str) -> None:
        while True:
            await asyncio.sleep(LEAVE_SECONDS)
            buffer = self._kernel_buffers.get(kernel_id) if kernel_id in self else None
            if not buffer or buffer["session_key"] != session_key or "shell" not in buffer["channels"]:
                return
            if getattr(self.get_kernel(kernel_id), "execution_state", None) != "busy":
                shell = buffer["channels"].pop("shell")
                shell.on_recv(None)
                shell.close()
                return

    def get_buffer(self, kernel_id: str, session_key: str) -> Any:
        """What was kept for a page that is back, with all its channels."""
        buffer = super().get_buffer(kernel_id, session_key)
        if buffer and buffer["channels"] and "shell" not in buffer["channels"]:
            identity = session_key.removeprefix(f"{kernel_id}:").encode()
            shell = self.get_kernel(kernel_id).connect_shell(identity=identity)
            shell.channel = "shell"
            buffer["channels"]["shell"] = shell
        return buffer
