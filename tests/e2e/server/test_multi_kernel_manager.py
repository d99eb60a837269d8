"""MultiKernelManager, the part of jupyter_client that servers are built on."""

from collections.abc import Iterator

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.multikernelmanager import AsyncMultiKernelManager, MultiKernelManager

from fixtures.kernel_managers import connected, run
from kubernel_provisioner.errors import KernelFailedError

pytestmark = pytest.mark.usefixtures("on_the_cluster")


@pytest.fixture
def manager() -> Iterator[MultiKernelManager]:
    manager = MultiKernelManager()
    yield manager
    manager.shutdown_all(now=True)
    manager.context.destroy(linger=0)


def test_sync(manager: MultiKernelManager) -> None:
    kernel_id = manager.start_kernel(kernel_name="python3")
    before = manager.get_connection_info(kernel_id)
    client: BlockingKernelClient = manager.get_kernel(kernel_id).client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    assert client.execute("1", reply=True, timeout=60)["content"]["status"] == "ok"
    manager.restart_kernel(kernel_id)
    client.wait_for_ready(timeout=60)
    manager.interrupt_kernel(kernel_id)
    manager.signal_kernel(kernel_id, 0)
    client.stop_channels()
    assert (manager.get_connection_info(kernel_id), manager.is_alive(kernel_id)) == (before, True)
    manager.shutdown_kernel(kernel_id)
    assert manager.list_kernel_ids() == []


def test_sync_with_a_start_that_fails(manager: MultiKernelManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNEL_ARGV", '["python3", "-m", "no_such_kernel"]')
    with pytest.raises(KernelFailedError):
        manager.start_kernel(kernel_name="python3")
    assert manager.list_kernel_ids() == []


@pytest.mark.parametrize("pending", [False, True], ids=["waits", "pending"])
async def test_async(pending: bool) -> None:
    manager = AsyncMultiKernelManager(use_pending_kernels=pending)
    kernel_id = await manager.start_kernel(kernel_name="python3", kernel_id="some id")
    kernel = manager.get_kernel(kernel_id)
    await kernel.ready
    async with connected(kernel) as client:
        assert await run(client, "print(6 * 7)") == "42\n"
        await manager.restart_kernel(kernel_id)
        await client.wait_for_ready(timeout=60)
        assert await run(client, "print(6 * 7)") == "42\n"
    await manager.shutdown_all()
    assert manager.list_kernel_ids() == []
    manager.context.destroy(linger=0)


async def test_async_with_a_pending_start_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNEL_ARGV", '["python3", "-m", "no_such_kernel"]')
    manager = AsyncMultiKernelManager(use_pending_kernels=True)
    kernel_id = await manager.start_kernel(kernel_name="python3")
    with pytest.raises(KernelFailedError, match=r"exit code 1 \(KernelCrashed"):
        await manager.get_kernel(kernel_id).ready
    await manager.shutdown_kernel(kernel_id)
    assert manager.list_kernel_ids() == []
    manager.context.destroy(linger=0)
