"""What can be asked of a kernel that runs, beside what jupyter_client asks."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from .launch.remote_kernel import RemoteKernel
from .launch.resizing import asked_amounts

T = TypeVar("T")


class Running:
    """What a kernel uses, more or less of it, and pauses: what jupyter_client does not know of."""

    @property
    def _kernel(self) -> RemoteKernel:
        raise NotImplementedError

    async def _do(self, work: Coroutine[Any, Any, T]) -> T:
        raise NotImplementedError

    async def usage(self) -> dict[str, Any] | None:
        """What the kernel's container uses; None when that cannot be known, for instance in an image without Python.

        Returns:
            ``memory``, with ``usage`` and ``limit`` in bytes (None: no limit), or None; ``cpuSeconds`` since its start.
            Cache that the node would give up first does not count.
        """
        return await self._do(self._kernel.usage())

    async def resize(
        self,
        *,
        cpu: str | float | None = None,
        memory: str | float | None = None,
        wait: bool = True,
        timeout_seconds: float = 60.0,
    ) -> dict[str, Any]:
        """Gives the kernel more or less CPU and memory while it runs; it keeps its variables.

        Args:
            cpu: the new limit, e.g. 2 or "500m"; None leaves it as it is. So for memory.
            memory: the new limit, e.g. "8Gi". A request that was equal to its limit stays equal.
            wait: until it is in force.
            timeout_seconds: how long to wait.

        Returns:
            Requests and limits by resource name: those in force, or without ``wait`` those that were written.

        Raises:
            ConfigurationError: an amount is none.
            ResizeError: it was refused, or the node has no room for it (yet); ``reason`` is the word for it.
            KubernelError: the API server does not allow it, or does not answer.
        """
        asked = asked_amounts(cpu, memory)
        return await self._do(self._kernel.resize(asked, timeout_seconds if wait else None))

    async def pause(self, *, timeout_seconds: float = 30.0) -> None:
        """Stops all processes of the kernel; they keep their memory, and use no CPU. ``poll`` goes on to say None.

        Raises:
            KubernelError: it may not be changed, has ended, or nothing comes of it in that time.
        """
        await self._do(self._kernel.suspend(True, timeout_seconds))

    async def resume(self, *, timeout_seconds: float = 30.0) -> None:
        """Lets a paused kernel go on; raises as ``pause`` does. A restart does so, too."""
        await self._do(self._kernel.suspend(False, timeout_seconds))
