"""The thread of the process: its end, its forks, and several threads and loops that use it at once."""

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fixtures.fake_api_server import INSTANCES, KERNEL, LEASES, FakeApiServer, instance
from fixtures.kernel_pod import Pod
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner import provisioner as provisioner_module
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster


def run(code: str) -> str:
    """What a program prints that is given a few seconds."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def test_a_fork_in_the_middle_of_a_start() -> None:
    """Whoever held the lock does not exist in the child, and so can never let go of it."""
    code = """
        import os, signal
        from kubernel_provisioner.cluster import background as module
        parent = module.background()
        with module._lock:
            child = os.fork()
            if child == 0:
                signal.alarm(10)
                mine = module.background()
                answers = mine.submit(__import__("asyncio").sleep(0, "answers")).result(5)
                os._exit(0 if mine is not parent and answers else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), module.background() is parent)
    """
    assert run(code) == "0 True\n"


def test_the_end_waits_for_errands() -> None:
    """A deletion that nobody waits for any more is sent all the same."""
    code = """
        import asyncio
        from kubernel_provisioner.cluster.background import background

        async def errand():
            await asyncio.sleep(0.1)
            print("done", flush=True)

        async def begin():
            background().errand(errand())

        background().submit(begin()).result()
    """
    assert run(code) == "done\n"


def test_the_end_finds_an_api_server_that_has_a_name() -> None:
    """The interpreter that ends starts no more threads, and a name is looked up in one."""
    code = """
        import asyncio, atexit
        from kubernel_provisioner.cluster.background import background

        async def look_up():
            return await asyncio.get_running_loop().getaddrinfo("localhost", 443)

        async def fail():
            await asyncio.to_thread(int, "no number")

        def at_the_end():
            print(bool(background().submit(look_up()).result(5)))
            try:
                background().submit(fail()).result(5)
            except ValueError as error:
                print(error)

        atexit.register(at_the_end)
        background()
    """
    assert run(code) == "True\ninvalid literal for int() with base 10: 'no number'\n"


@pytest.fixture
async def thread(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Background]:
    """A background with its thread, as programs have it."""
    thread = Background()
    thread.server = "s"
    monkeypatch.setattr(provisioner_module, "background", lambda: thread)
    yield thread
    await thread.run(thread.finish_errands(10))
    for shared in thread.shared.values():
        if isinstance(shared, Cluster):
            await thread.run(shared.close())
    thread.loop.call_soon_threadsafe(thread.loop.stop)
    while thread.loop.is_running():  # noqa: ASYNC110 - the thread's turn
        await asyncio.sleep(0.001)
    thread.loop.close()


@pytest.mark.usefixtures("provisioner")
async def test_kernels_in_several_threads(key: ClusterKey, server: FakeApiServer, pod: Pod, thread: Background) -> None:
    """Each with a loop of its own, some of which end between two calls; one login and one Lease for all."""
    names = ["k-1", "k-2", "k-3"]
    server.answers["POST", INSTANCES] = [(201, instance(name, uid="u1", **pod.status())) for name in names]
    for name in names:
        server.answers["DELETE", f"{INSTANCES}/{name}"] = [(200, {})]

    def lifecycle(kernel_id: str) -> Any:
        made = KubernetesProvisioner(kubeconfig=key.kubeconfig, kernel_id=kernel_id, access="direct")
        info = asyncio.run(made.launch_kernel([]))
        asyncio.run(made.send_signal(10))
        asyncio.run(made.cleanup())
        return info, asyncio.run(made.poll())

    ends = await asyncio.gather(*(asyncio.to_thread(lifecycle, name) for name in "abc"))
    assert ends == [(pod.info(), -9)] * 3
    assert [request["signum"] for request in pod.requests] == [10, 10, 10]
    calls = server.calls()
    assert calls.count(("POST", LEASES)) == 1
    assert {path for method, path in calls if method == "DELETE"} == {f"{INSTANCES}/{name}" for name in names}


@pytest.mark.usefixtures("thread")
async def test_a_loop_that_ends_in_the_middle_of_a_start(
    provisioner: KubernetesProvisioner, server: FakeApiServer, thread: Background
) -> None:
    server.gates["POST", INSTANCES] = asyncio.Event()

    async def start_and_leave() -> None:
        starting = asyncio.create_task(provisioner.launch_kernel([]))
        while ("POST", INSTANCES) not in server.calls():  # noqa: ASYNC110 - another thread's turn
            await asyncio.sleep(0.001)
        assert not starting.done()

    await asyncio.to_thread(asyncio.run, start_and_leave())
    server.gates["POST", INSTANCES].set()
    await server.asked("DELETE", KERNEL)
    assert not provisioner.has_process
