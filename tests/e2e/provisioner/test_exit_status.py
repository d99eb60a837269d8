"""How a kernel ended, as ``poll`` and ``wait`` tell it, and as the log says it."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_client.ioloop import AsyncIOLoopKernelManager, IOLoopKernelManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from tornado.ioloop import IOLoop
from traitlets.config import Config

from fixtures.api_client import ApiClient
from fixtures.kernel_managers import connected, run, until_ended
from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until
from kubernel_provisioner import KubernelError

Make = Callable[..., AsyncKernelManager]


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


@pytest.mark.parametrize(("end", "code"), [("kill", -9), ("terminate", -15)])
async def test_who_was_killed_has_not_crashed(manager: AsyncKernelManager, here: Kubectl, end: str, code: int) -> None:
    """A busy kernel that is shut down, or restarted, is ended like this, which is no warning to its administrator."""
    await getattr(manager.provisioner, end)()
    assert await until_ended(manager) == code
    status = here.only("kernels")["status"]
    assert (status["phase"], status["exit"]["reason"]) == ("Exited", "Killed")
    await manager.restart_kernel(now=True)
    assert "KernelCrashed" not in reasons(here)


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
    assert "KernelInstance was deleted" in caplog.text
    await manager.restart_kernel(now=True)  # another one, at another address
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"


async def test_pod_deleted_by_hand(
    manager: AsyncKernelManager, kubectl: Kubectl, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel comes back in another pod, though the first one hangs in Terminating."""
    here, before = kubectl.within(namespace), manager.get_connection_info()
    (pod,) = (each["metadata"]["name"] for each in here.items("pods"))
    here("patch", "pod", pod, "--patch", '{"metadata": {"finalizers": ["test.kubernel.dev/hang"]}}')
    try:
        here("delete", "pod", pod, "--wait=false", "--grace-period=1")
        assert await until_ended(manager) == -15
        assert "ended with -15: " in caplog.text
        assert "(PodDeleted)" in caplog.text
        wait_until("the Event", lambda: "PodDeleted" in reasons(here), seconds=10)
        await manager.restart_kernel(now=True)
        async with connected(manager) as client:
            assert await run(client, "print(1)") == "1\n"
        assert manager.get_connection_info() == before
        assert pod in {each["metadata"]["name"] for each in here.items("pods")}
    finally:
        here("patch", "pod", pod, "--patch", '{"metadata": {"finalizers": null}}')


async def test_evicted(
    manager: AsyncKernelManager, api: ApiClient, kubectl: Kubectl, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As by ``kubectl drain``; a restart finds another place for it."""
    before, here = manager.get_connection_info(), kubectl.within(namespace)
    (pod,) = (each["metadata"]["name"] for each in here.items("pods"))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    api.request("POST", f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction", eviction)
    assert await until_ended(manager) == -15
    assert "ended with -15: " in caplog.text
    assert "(Evicted)" in caplog.text
    wait_until("the Event", lambda: "Evicted" in reasons(here), seconds=10)
    await manager.restart_kernel(now=True)
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"
    assert manager.get_connection_info() == before


def reasons(here: Kubectl) -> set[str]:
    """Of the Events there."""
    return {event["reason"] for event in here.items("events")}


async def test_out_of_memory(
    make_manager: Make,
    monkeypatch: pytest.MonkeyPatch,
    kubectl: Kubectl,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("KUBERNEL_MEMORY", "150Mi")
    manager = make_manager()
    await manager.start_kernel()
    async with connected(manager) as client:
        client.execute("bytes(1 << 30)")
        assert await until_ended(manager) == -9
    assert "ended with -9: " in caplog.text
    assert "(OOMKilled)" in caplog.text
    wait_until("the Event", lambda: "OOMKilled" in reasons(kubectl.within(namespace)), seconds=10)


async def test_one_that_is_over_for_good_comes_back_at_another_address(
    make_manager: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that crashed while nobody looked for longer than a pod is kept for a restart."""
    monkeypatch.setenv("KUBERNEL_ACTIVE_DEADLINE_SECONDS", "3")
    manager = make_manager()
    await manager.start_kernel()
    before = manager.get_connection_info()
    assert await until_ended(manager) == -9
    manager.provisioner.active_deadline_seconds = None
    await manager.restart_kernel(now=True)
    assert manager.get_connection_info() != before
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"


async def test_a_crashed_kernel_comes_back_by_itself(make_manager: Make) -> None:
    """As in a notebook server: the restarter polls, and restarts the kernel at the same address."""
    manager = make_manager(AsyncIOLoopKernelManager, config=restarter())
    restarted = asyncio.Event()
    await manager.start_kernel()
    manager.add_restart_callback(restarted.set, "restart")
    before = manager.get_connection_info()
    async with connected(manager) as client, asyncio.timeout(60):
        client.execute("import os; os._exit(1)")
        await restarted.wait()
        await client.wait_for_ready(timeout=60)
        assert await run(client, "print(1)") == "1\n"
    assert manager.get_connection_info() == before


def test_a_killed_kernel_comes_back_to_a_blocking_manager() -> None:
    """Its restarter blocks the loop until the kernel is there again."""
    loop = ensure_event_loop()
    manager = IOLoopKernelManager(kernel_name="python3", config=restarter(), loop=IOLoop.current())
    restarted = asyncio.Event()
    manager.start_kernel()
    manager.add_restart_callback(restarted.set, "restart")
    before = manager.get_connection_info()
    try:
        manager.signal_kernel(9)
        loop.run_until_complete(asyncio.wait_for(restarted.wait(), 60))
        assert manager.is_alive()
        assert manager.get_connection_info() == before
    finally:
        manager.shutdown_kernel(now=True)


def restarter(**traits: Any) -> Config:
    return Config({"KernelRestarter": {"time_to_dead": 0.1, **traits}})


def until_dead(manager: AsyncKernelManager) -> asyncio.Event:
    """Is set when a server would be told that its kernel is dead."""
    dead = asyncio.Event()
    manager.add_restart_callback(dead.set, "dead")
    return dead


async def test_the_restarter_gives_up(make_manager: Make) -> None:
    """Nobody calls ``cleanup`` then. What is left tells what happened, until its time is over or this process ends."""
    manager = make_manager(AsyncIOLoopKernelManager, config=restarter(restart_limit=1, stable_start_time=60))
    await manager.start_kernel()
    dead = until_dead(manager)
    async with connected(manager) as client:
        await client.wait_for_ready(timeout=60)
        restarted = asyncio.Event()
        manager.add_restart_callback(restarted.set, "restart")
        client.execute("import os; os._exit(42)")
        async with asyncio.timeout(60):
            await restarted.wait()
        # One restart is allowed, so after this end there is one, and after the next one none.
        assert not dead.is_set()
        await client.wait_for_ready(timeout=60)
        client.execute("import os; os._exit(42)")
        async with asyncio.timeout(60):
            await dead.wait()
    assert (manager.has_kernel, await manager.provisioner.poll()) == (True, 42)


# Ends at its second start, in the same pod.
ONCE = "test -e /tmp/once && exit 3; touch /tmp/once; exec python3 -m ipykernel_launcher -f $0"


async def test_a_restart_that_fails(make_manager: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it stays, and the next restart is a new start."""
    monkeypatch.setenv("KUBERNEL_ARGV", json.dumps(["sh", "-c", ONCE, "{connection_file}"]))
    manager = make_manager(AsyncIOLoopKernelManager, config=restarter())
    await manager.start_kernel()
    dead = until_dead(manager)
    manager.stop_restarter()
    with pytest.raises(KubernelError, match="exit code 3"):
        await manager.restart_kernel(now=True)
    assert (manager.has_kernel, await manager.provisioner.poll(), dead.is_set()) == (False, 3, True)
    await manager.restart_kernel(now=True)
    assert await manager.is_alive()
