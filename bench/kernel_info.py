"""From connection info to a kernel that answers: the same code for every contender."""

from __future__ import annotations

import asyncio
from typing import Any

import zmq
from jupyter_client.asynchronous import AsyncKernelClient

# A request to a socket that is not connected yet waits in it; one to a kernel that was replaced is lost.
ASK_AGAIN_SECONDS = 1.0
IOPUB_SECONDS = 0.2


async def answering_client(info: dict[str, Any]) -> AsyncKernelClient:
    """A client of that kernel, once it has answered kernel_info."""
    client = AsyncKernelClient()
    client.load_connection_info(info)
    client.start_channels(hb=False)
    await kernel_info(client)
    return client


async def kernel_info(client: AsyncKernelClient) -> None:
    """Returns when the kernel has answered kernel_info.

    Raises:
        ConnectionError: something else listens on its port, as happens to local kernels that start together. ZeroMQ has
            given the connection up, and would block this process in the next request, for ever.
    """
    asked = set()
    while True:
        if not client.shell_channel.socket.get(zmq.EVENTS) & zmq.POLLOUT:
            raise ConnectionError("no kernel is at the port of its shell channel")
        asked.add(client.kernel_info())
        try:
            async with asyncio.timeout(ASK_AGAIN_SECONDS):
                while (await client.get_shell_msg())["parent_header"].get("msg_id") not in asked:
                    pass
                return
        except TimeoutError:
            continue


async def subscribe(client: AsyncKernelClient) -> None:
    """Returns when iopub messages arrive: the channel connects in its own time, and what is sent before is lost."""
    while True:
        await kernel_info(client)
        try:
            async with asyncio.timeout(IOPUB_SECONDS):
                await client.get_iopub_msg()
                return
        except TimeoutError:
            continue


async def busy_cell(client: AsyncKernelClient) -> str:
    """Starts a cell that runs for a minute; returns its message id once the kernel is in it."""
    asked = client.execute("import time\nprint('in', flush=True)\nfor _ in range(6000): time.sleep(0.01)")
    while True:
        message = await client.get_iopub_msg()
        if message["parent_header"].get("msg_id") == asked and message["msg_type"] == "stream":
            return asked


async def reply_to(client: AsyncKernelClient, asked: str) -> dict[str, Any]:
    """The reply to a request."""
    while True:
        message: dict[str, Any] = await client.get_shell_msg()
        if message["parent_header"].get("msg_id") == asked:
            return message
