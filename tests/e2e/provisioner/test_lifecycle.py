"""Start, use, interrupt, restart, shut down: by every kind of kernel manager."""

import asyncio
import json
import os
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import AsyncKernelManager, KernelManager
from jupyter_client.multikernelmanager import AsyncMultiKernelManager
from jupyter_client.threaded import ThreadedKernelClient

from fixtures.kernel_managers import begin, connected, reply_to, run
from fixtures.kubectl import Kubectl
from kubernel_provisioner import KubernetesProvisioner

Make = Callable[..., AsyncKernelManager]


def blocking_run(client: BlockingKernelClient, code: str) -> str:
    printed: list[str] = []
    client.execute_interactive(
        code,
        timeout=60,
        output_hook=lambda m: printed.append(m["content"]["text"]) if m["msg_type"] == "stream" else None,
    )
    return "".join(printed)


def threaded_run(manager: KernelManager, code: str) -> str:
    """The status of a cell, by the client whose channels live in a thread: jupyter_console and Qt have it."""
    replies: queue.Queue[dict[str, Any]] = queue.Queue()
    info = manager.get_connection_info(session=True)
    client = ThreadedKernelClient(session=info.pop("session"))
    # Not as arguments: keys of encryption are text in what jupyter_client 8.9 gives, and its clients take bytes.
    client.load_connection_info(info)
    client.start_channels()
    client.shell_channel.call_handlers = replies.put
    try:
        asked = client.execute(code)
        while (reply := replies.get(timeout=60))["parent_header"]["msg_id"] != asked:
            pass
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
    return str(reply["content"]["status"])


def test_a_blocking_manager() -> None:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    try:
        before = manager.get_connection_info()
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        assert blocking_run(client, "x = 6 * 7; print(x)") == "42\n"
        manager.restart_kernel()
        client.wait_for_ready(timeout=60)
        assert blocking_run(client, "print('x' in globals())") == "False\n"
        assert manager.get_connection_info() == before
        assert manager.is_alive()
        client.stop_channels()
        assert threaded_run(manager, "1") == "ok"
    finally:
        manager.shutdown_kernel()
    assert (manager.is_alive(), manager.has_kernel) == (False, False)


async def test_an_async_manager(make_manager: Make) -> None:
    manager = make_manager()
    await manager.start_kernel()
    async with connected(manager) as client:
        assert await run(client, "print(6 * 7)") == "42\n"
    await manager.shutdown_kernel()
    assert (await manager.is_alive(), manager.has_kernel) == (False, False)


async def test_many_kernels_of_one_manager() -> None:
    manager = AsyncMultiKernelManager()
    ids = await asyncio.gather(*(manager.start_kernel(kernel_name="python3") for _ in range(3)))
    try:
        assert sorted(manager.list_kernel_ids()) == sorted(ids)
        async with connected(manager.get_kernel(ids[1])) as client:
            assert await run(client, "import os; print(os.getpid() != 1)") == "True\n"
    finally:
        await manager.shutdown_all()
    assert manager.list_kernel_ids() == []


@pytest.mark.parametrize("now", [False, True], ids=["graceful", "now"])
async def test_a_restart_keeps_the_connection(manager: AsyncKernelManager, now: bool) -> None:
    """A graceful one lets the kernel do what it wants to do at its exit."""
    before = manager.get_connection_info()
    async with connected(manager) as client:
        await run(client, "x = 1\nimport atexit, pathlib\natexit.register(pathlib.Path('/tmp/bye').touch)")
        await manager.restart_kernel(now=now)
        await client.wait_for_ready(timeout=60)
        assert await run(client, "x") == "NameError"
        assert await run(client, "import pathlib; print(pathlib.Path('/tmp/bye').exists())") == f"{not now}\n"
    assert manager.get_connection_info() == before


async def test_many_restarts_in_a_row(manager: AsyncKernelManager) -> None:
    before = manager.get_connection_info()
    async with connected(manager) as client:
        for n in range(20):
            await manager.restart_kernel(now=True)
            await client.wait_for_ready(timeout=60)
            assert await run(client, f"print({n})") == f"{n}\n"
    assert manager.get_connection_info() == before


async def test_an_interrupt(manager: AsyncKernelManager) -> None:
    async with connected(manager) as client:
        busy = await begin(client, "import time\nprint('busy', flush=True)\ntime.sleep(60)")
        await manager.interrupt_kernel()
        assert (await reply_to(client, busy))["ename"] == "KeyboardInterrupt"
        assert await run(client, "print(1)") == "1\n"


async def test_the_environment_is_an_allow_list(make_manager: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SECRET", "do-not-tell")
    manager = make_manager()
    env = {**os.environ, "JPY_SESSION_NAME": "a.ipynb", "KERNEL_USERNAME": "me"}
    await manager.start_kernel(env=env, cwd="/nonexistent")
    names = ["SERVER_SECRET", "KUBECONFIG", "KUBERNEL_KEY", "KUBERNEL_TOKEN", "JPY_SESSION_NAME", "KERNEL_USERNAME"]
    async with connected(manager) as client:
        found = await run(client, f"import os; print([os.environ.get(name) for name in {names}])")
    assert found == "[None, None, None, None, 'a.ipynb', 'me']\n"


async def test_cleanup_alone_is_enough(manager: AsyncKernelManager) -> None:
    """nbclient does no more when a kernel has died; in the end the fixtures look for what stays."""
    assert manager.provisioner is not None
    await manager.provisioner.cleanup(restart=False)
    await manager.provisioner.cleanup(restart=False)
    assert (manager.has_kernel, await manager.provisioner.poll()) == (False, -9)


async def test_a_start_after_a_shutdown(make_manager: Make) -> None:
    """The children of the first one may still hold its name."""
    manager = make_manager()
    await manager.start_kernel()
    await manager.provisioner.cleanup(restart=False)
    launch = await manager.provisioner.pre_launch()
    info = await manager.provisioner.launch_kernel(launch.pop("cmd"), **launch)
    assert (await manager.provisioner.poll(), info["transport"]) == (None, "tcp")


async def test_terminate_wait_cleanup_without_a_manager() -> None:
    provisioner = KubernetesProvisioner()
    launch = await provisioner.pre_launch()
    info = await provisioner.launch_kernel(launch.pop("cmd"), **launch)
    ports = [f"{name}_port" for name in ("shell", "iopub", "stdin", "control", "hb")]
    assert set(info) == {"transport", "ip", *ports, "key", "signature_scheme"}
    assert (provisioner.has_process, await provisioner.poll()) == (True, None)
    await provisioner.terminate()
    assert (await provisioner.wait(), provisioner.has_process) == (-15, False)
    await provisioner.cleanup()
    assert await provisioner.poll() == -15


@pytest.mark.skipif(not hasattr(KernelManager, "transport_encryption"), reason="since jupyter_client 8.9")
@pytest.mark.parametrize("policy", ["auto", "required"])
async def test_encryption(make_manager: Make, policy: str) -> None:
    manager = make_manager(transport_encryption=policy)
    manager.kernel_spec.metadata["supported_encryption"] = ["curve"]
    await manager.start_kernel()
    keys = (manager.curve_publickey, manager.curve_secretkey)
    assert None not in keys
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=60)
        assert await run(client, "print(2)") == "2\n"
    assert (manager.curve_publickey, manager.curve_secretkey) == keys


async def test_the_connection_file_has_the_clusters_address(
    pod_network: None, manager: AsyncKernelManager, kubectl: Kubectl, namespace: str
) -> None:
    written = json.loads(Path(manager.connection_file).read_text())  # noqa: ASYNC240
    (service,) = kubectl.within(namespace).items("services")
    assert written["ip"] == manager.ip == service["spec"]["clusterIP"]


HANG = """
import atexit, signal, time
for signum in (signal.SIGINT, signal.SIGTERM):
    signal.signal(signum, signal.SIG_IGN)
atexit.register(time.sleep, 600)
"""


async def test_a_kernel_that_hangs_in_its_exit_is_killed_in_time(
    manager: AsyncKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its KernelInstance is deleted, which would end it too."""
    provisioner, codes = manager.provisioner, []

    async def look(restart: bool = False) -> None:
        codes.append(await provisioner.poll())
        await KubernetesProvisioner.cleanup(provisioner, restart=restart)

    monkeypatch.setattr(provisioner, "cleanup", look)
    async with connected(manager) as client:
        await run(client, HANG)
    await manager.shutdown_kernel()
    assert codes == [-9]
