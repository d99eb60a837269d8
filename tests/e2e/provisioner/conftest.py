"""Kernels on the cluster, as programs that use jupyter_client start them: by two environment variables."""

import asyncio
import contextlib
import gc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

START_SECONDS = 60


@pytest.fixture(autouse=True)
def _on_the_cluster(on_the_cluster: None) -> Iterator[None]:
    """Every kernelspec starts its kernels in a namespace of the test's own, which must be empty in the end."""
    yield
    with warnings.catch_warnings():
        # jupyter_core leaves the loops that it opens for the threads of blocking managers to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
async def make_manager() -> AsyncIterator[Callable[..., AsyncKernelManager]]:
    """Makes kernel managers; their kernels are shut down in the end."""
    made: list[AsyncKernelManager] = []

    def make(kind: type[AsyncKernelManager] = AsyncKernelManager, **traits: Any) -> AsyncKernelManager:
        made.append(kind(kernel_name="python3", **traits))
        return made[-1]

    yield make
    for manager in made:
        manager.stop_restarter()
        if manager.provisioner is not None:
            await manager.provisioner.cleanup(restart=False)
        manager.cleanup_connection_file()
        manager._close_control_socket()
        manager.context.destroy(linger=0)


@pytest.fixture
async def manager(make_manager: Callable[..., AsyncKernelManager]) -> AsyncKernelManager:
    """A kernel manager whose kernel runs."""
    manager = make_manager()
    await manager.start_kernel()
    return manager


@contextlib.asynccontextmanager
async def connected(manager: AsyncKernelManager) -> AsyncIterator[AsyncKernelClient]:
    """A client that the kernel has answered."""
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=START_SECONDS)
        yield client
    finally:
        client.stop_channels()


async def run(client: AsyncKernelClient, code: str) -> str:
    """What a cell prints, or the name of the exception it raises."""
    printed = []

    def take(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    reply = await client.execute_interactive(code, timeout=START_SECONDS, output_hook=take, allow_stdin=False)
    return reply["content"]["ename"] if reply["content"]["status"] == "error" else "".join(printed)


async def until_ended(manager: AsyncKernelManager, seconds: float = 30) -> int:
    """The exit code, as soon as ``poll`` has one."""
    async with asyncio.timeout(seconds):
        while (code := await manager.provisioner.poll()) is None:  # noqa: ASYNC110 - this is what polling is
            await asyncio.sleep(0.02)
    return code
