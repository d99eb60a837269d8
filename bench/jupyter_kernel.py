"""A kernel under jupyter_client's AsyncKernelManager: ours on the cluster, or a local one."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import Any

import kernel_info
from jupyter_client import AsyncKernelManager
from jupyter_client.asynchronous import AsyncKernelClient

from kubernel_api.constants import CONTROL_PORT
from kubernel_provisioner.provisioner import KubernetesProvisioner
from kubernel_wire.control import control

POLL_SECONDS = 0.002
# Long enough for the cell to reach the kernel before.
END_AFTER_SECONDS = 0.3


class JupyterKernel:
    """Start, restart, interrupt and end, each timed in seconds.

    Args:
        kernel_name: of a kernelspec.
    """

    def __init__(self, kernel_name: str) -> None:
        self._km = AsyncKernelManager(kernel_name=kernel_name)
        self.client: AsyncKernelClient | None = None
        self.started = 0.0

    @property
    def name(self) -> str:
        """Name of the KernelInstance, if it is one."""
        return f"k-{self._km.kernel_id}"

    @property
    def connection_info(self) -> dict[str, Any]:
        """What its clients need."""
        return dict(self._km.get_connection_info())

    async def start(self) -> None:
        """Returns when the kernel has answered kernel_info; ``started`` is when ``start_kernel`` had returned."""
        await self._km.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.started = time.perf_counter()
        self.client = await kernel_info.answering_client(self._km.get_connection_info())

    async def restart(self) -> float:
        """Seconds from the request to a kernel that answers. It has just started, so this is a new process."""
        assert self.client is not None
        began = time.perf_counter()
        await self._km.restart_kernel()
        await kernel_info.kernel_info(self.client)
        return time.perf_counter() - began

    async def fork(self) -> float:
        """Seconds of a restart of a kernel that was idle, ours by a fork; of a second restart for a local kernel."""
        if isinstance(self._km.provisioner, KubernetesProvisioner):
            info = self._km.get_connection_info()
            asked = {"op": "status"}
            while not (await control(info["ip"], CONTROL_PORT, asked, key=info["key"], role="connection"))["zygote"]:  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
        return await self.restart()

    async def interrupt(self) -> float:
        """Seconds from the request to the reply of the cell that was interrupted."""
        assert self.client is not None
        await kernel_info.subscribe(self.client)
        asked = await kernel_info.busy_cell(self.client)
        began = time.perf_counter()
        await self._km.interrupt_kernel()
        await kernel_info.reply_to(self.client, asked)
        return time.perf_counter() - began

    async def round_trip(self) -> float:
        """Seconds of ``execute("pass")``."""
        assert self.client is not None
        began = time.perf_counter()
        await kernel_info.reply_to(self.client, self.client.execute("pass"))
        return time.perf_counter() - began

    async def end(self) -> float:
        """Seconds from a kernel's ``os._exit(42)`` to ``poll`` that knows it; pod and host share a clock here."""
        assert self.client is not None
        at = time.time() + END_AFTER_SECONDS
        self.client.execute(f"import os, time; time.sleep({at} - time.time()); os._exit(42)")
        # A loop around poll is what jupyter_client does, and what is measured.
        while (code := await self._km.provisioner.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        if code != 42:
            raise RuntimeError(f"the kernel ended with 42, poll said {code}")
        return time.time() - at

    async def stop(self) -> None:
        """Shuts it down."""
        if self.client is not None:
            self.client.stop_channels()
        await self._km.shutdown_kernel(now=True)
