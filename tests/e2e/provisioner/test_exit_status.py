"""How a kernel ended, as ``poll`` and ``wait`` tell it, and as the log says it."""

import asyncio
import logging

import pytest
from jupyter_client.ioloop import AsyncIOLoopKernelManager
from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

from fixtures.kubectl import Kubectl

from .conftest import connected, run, until_ended


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("os._exit(0)", 0, id="exit 0"),
        pytest.param("os._exit(42)", 42, id="exit 42"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", -9, id="SIGKILL"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", -11, id="SIGSEGV"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", -15, id="SIGTERM"),
    ],
)
async def test_exit(manager: AsyncKernelManager, code: str, expected: int, caplog: pytest.LogCaptureFixture) -> None:
    assert manager.provisioner is not None
    async with connected(manager) as client:
        client.execute(f"import os, signal; {code}")
        with caplog.at_level(logging.WARNING):
            ended = await until_ended(manager)
    assert (ended, await manager.provisioner.wait(), await manager.provisioner.poll()) == (expected,) * 3
    assert manager.provisioner.has_process is False
    said = [record.getMessage() for record in caplog.records if "ended with" in record.getMessage()]
    assert len(said) == 1
    assert f"ended with {expected}: " in said[0]


async def test_signals(manager: AsyncKernelManager) -> None:
    async with connected(manager) as client:
        await run(client, "import signal\ngot = []\nsignal.signal(signal.SIGUSR1, lambda s, f: got.append(s))")
        await manager.signal_kernel(10)
        assert await run(client, "import time\nwhile not got: time.sleep(0.01)\nprint(got)") == "[10]\n"


async def test_a_dead_kernel_takes_every_call(manager: AsyncKernelManager) -> None:
    provisioner = manager.provisioner
    assert provisioner is not None
    await provisioner.kill()
    assert await until_ended(manager) == -9
    await provisioner.send_signal(2)
    await provisioner.terminate()
    await provisioner.kill()
    assert await provisioner.wait() == -9


async def test_a_dead_kernel_is_restarted_at_the_same_address(manager: AsyncKernelManager) -> None:
    before = manager.get_connection_info()
    async with connected(manager) as client:
        client.execute("import os; os._exit(1)")
        await until_ended(manager)
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
        assert await run(client, "print(1)") == "1\n"
    assert manager.get_connection_info() == before


async def test_deleted_by_hand(
    manager: AsyncKernelManager, kubectl: Kubectl, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    kubectl.within(namespace)("delete", "kernels", "--all", "--wait=false")
    assert await until_ended(manager) == -9
    assert "its KernelInstance was deleted" in caplog.text
    await manager.restart_kernel(now=True)  # another one, at another address
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"


async def test_pod_deleted_by_hand(manager: AsyncKernelManager, kubectl: Kubectl, namespace: str) -> None:
    before = manager.get_connection_info()
    pods = "--selector=app.kubernetes.io/managed-by=kubernel"
    kubectl.within(namespace)("delete", "pods", pods, "--wait=false", "--grace-period=1")
    await until_ended(manager)
    await manager.restart_kernel(now=True)
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"
    assert manager.get_connection_info() == before


async def test_a_crashed_kernel_comes_back_by_itself() -> None:
    """As in a notebook server: the restarter polls, and restarts the kernel at the same address."""
    config = Config({"KernelRestarter": {"time_to_dead": 0.2}})
    manager = AsyncIOLoopKernelManager(kernel_name="python3", config=config)
    restarted = asyncio.Event()
    await manager.start_kernel()
    manager.add_restart_callback(restarted.set, "restart")
    before = manager.get_connection_info()
    try:
        async with connected(manager) as client, asyncio.timeout(60):
            client.execute("import os; os._exit(1)")
            await restarted.wait()
            await client.wait_for_ready(timeout=60)
            assert await run(client, "print(1)") == "1\n"
        assert manager.get_connection_info() == before
    finally:
        await manager.shutdown_kernel(now=True)
