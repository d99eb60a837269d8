"""Starts that are cancelled, fail, overlap, or come from odd loops, threads and processes."""

import asyncio
import atexit
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from jupyter_client.ioloop import AsyncIOLoopKernelManager
from jupyter_client.manager import AsyncKernelManager, KernelManager
from jupyter_core.utils import ensure_event_loop
from traitlets.config import Config

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until
from kubernel_cluster.login import ClusterKey, log_in
from kubernel_provisioner import KubernelError, KubernetesProvisioner

T = TypeVar("T")
Make = Callable[..., AsyncKernelManager]


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.02, 0.1, 0.3, 0.6])
async def test_a_cancelled_start_leaves_nothing(
    make_manager: Make, seconds: float, leftovers: Callable[[str], list[str]], namespace: str
) -> None:
    warm = make_manager()
    await warm.start_kernel()
    await warm.shutdown_kernel(now=True)
    manager = make_manager()
    start = asyncio.create_task(manager.start_kernel())
    await asyncio.sleep(seconds)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert manager.has_kernel is False
    wait_until("nothing left", lambda: not leftovers(namespace), seconds=60)


async def test_a_failed_start_says_why_and_leaves_nothing(
    make_manager: Make, monkeypatch: pytest.MonkeyPatch, kubectl: Kubectl, namespace: str
) -> None:
    monkeypatch.setenv("KUBERNEL_ARGV", '["python3", "-m", "no_such_kernel"]')
    manager = make_manager()
    with pytest.raises(KubernelError) as caught:
        await manager.start_kernel()
    lines = str(caught.value).splitlines()
    assert lines[0] == "The kernel ended with exit code 1 (KernelCrashed)."
    assert "No module named no_such_kernel" in lines[2]
    assert any(line.startswith("More: kubernel events k-") for line in lines)
    assert manager.has_kernel is False
    wait_until("no kernels", lambda: not kubectl.within(namespace).items("kernels"), seconds=10)


async def test_two_restarts_at_once(manager: AsyncKernelManager) -> None:
    before = manager.get_connection_info()
    provisioner = manager.provisioner
    assert provisioner is not None
    launch = await provisioner.pre_launch()
    cmd = launch.pop("cmd")
    one, other = await asyncio.gather(
        provisioner.launch_kernel(cmd, **launch), provisioner.launch_kernel(cmd, **launch)
    )
    assert one == other
    assert manager.get_connection_info() == before
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"


async def test_a_shutdown_while_it_starts(make_manager: Make) -> None:
    manager = make_manager()
    start = asyncio.create_task(manager.start_kernel())
    while manager.provisioner is None or manager.provisioner._kernel.held is None:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await manager.provisioner.send_signal(2)
    assert await manager.provisioner.poll() is None
    await manager.provisioner.kill()
    with pytest.raises(KubernelError, match="was deleted while it started"):
        await start
    assert (manager.has_kernel, await manager.provisioner.poll()) == (False, -9)


def test_each_call_in_a_loop_of_its_own() -> None:
    """asyncio.run closes its loop; the kernel must not care."""
    manager = AsyncKernelManager(kernel_name="python3")
    asyncio.run(manager.start_kernel())
    assert asyncio.run(manager.is_alive()) is True
    asyncio.run(manager.restart_kernel(now=True))
    assert asyncio.run(manager.provisioner.poll()) is None
    asyncio.run(manager.shutdown_kernel(now=True))
    assert asyncio.run(manager.is_alive()) is False


def test_a_loop_that_is_closed_in_the_middle_of_a_start(
    kubectl: Kubectl, namespace: str, leftovers: Callable[[str], list[str]]
) -> None:
    loop = asyncio.new_event_loop()
    manager = AsyncKernelManager(kernel_name="python3")
    start = loop.create_task(manager.start_kernel())
    loop.run_until_complete(asyncio.sleep(0.3))
    start.cancel()
    loop.run_until_complete(asyncio.gather(start, return_exceptions=True))
    loop.close()
    wait_until("nothing left", lambda: not leftovers(namespace), seconds=60)


def closing_the_loop(work: Callable[[], T]) -> T:
    """Does it, and closes the event loop that jupyter_core makes for each thread and leaves to the garbage."""
    try:
        return work()
    finally:
        ensure_event_loop().close()


def test_threads_share_a_kernel() -> None:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    with ThreadPoolExecutor(4) as pool:
        try:
            assert set(pool.map(closing_the_loop, [manager.is_alive] * 40)) == {True}
        finally:
            pool.submit(closing_the_loop, lambda: manager.shutdown_kernel(now=True)).result()
    assert manager.is_alive() is False


def start_and_run(results: "multiprocessing.Queue[str]") -> None:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    results.put(f"alive: {manager.is_alive()}")
    manager.shutdown_kernel(now=True)
    results.put(f"alive: {manager.is_alive()}")


def code_of_a_fork(work: Callable[[], bool]) -> int:
    """The exit code of a forked child that ends as by sys.exit: with what was registered for the end."""
    if (child := os.fork()) == 0:
        code = 2
        try:
            code = 0 if work() else 1
            atexit._run_exitfuncs()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_after_a_fork(kubectl: Kubectl, namespace: str) -> None:
    """The child of a process that has a background thread gets its own, and the kernel stays its parent's."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    try:
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        child = context.Process(target=start_and_run, args=(results,))
        child.start()
        assert [results.get(timeout=60), results.get(timeout=60)] == ["alive: True", "alive: False"]
        child.join(30)
        assert child.exitcode == 0

        def kill() -> bool:
            was_alive = manager.is_alive()
            manager.signal_kernel(signal.SIGKILL)
            return was_alive

        assert code_of_a_fork(manager.is_alive) == 0
        (kernel,) = kubectl.within(namespace).items("kernels")
        assert "deletionTimestamp" not in kernel["metadata"]
        assert manager.is_alive()
        asyncio.run(log_in(ClusterKey(str(kubectl.kubeconfig))))  # the files that it needs are there
        assert code_of_a_fork(kill) == 0
        wait_until("its end", lambda: not manager.is_alive(), seconds=30)
    finally:
        manager.shutdown_kernel(now=True)


def lifecycle() -> bool:
    """Start, restart and shutdown by a blocking manager; whether the kernel was alive in between."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    try:
        manager.signal_kernel(signal.SIGINT)
        manager.restart_kernel(now=True)
        return bool(manager.is_alive())
    finally:
        manager.shutdown_kernel(now=True)


def test_threads_and_a_fork_start_kernels_at_once(kubectl: Kubectl, namespace: str) -> None:
    """As in jupyter_client's own tests; the child is forked in the middle of two launches."""
    with ThreadPoolExecutor(2) as pool:
        in_threads = [pool.submit(closing_the_loop, lifecycle) for _ in range(2)]
        wait_until("a launch", lambda: kubectl.within(namespace).items("kernels"), seconds=30)
        assert code_of_a_fork(lifecycle) == 0
        assert [each.result() for each in in_threads] == [True, True]


async def test_poll_never_waits(manager: AsyncKernelManager) -> None:
    """A poll that awaits lets the restarter start a kernel after its shutdown."""
    assert manager.provisioner is not None
    poll = manager.provisioner.poll()
    with pytest.raises(StopIteration) as done:
        poll.send(None)
    assert done.value.value is None
    began = time.perf_counter()
    for _ in range(10_000):
        await manager.provisioner.poll()
    print(f"poll: {(time.perf_counter() - began) / 10_000 * 1e6:.1f} us")


async def test_a_shutdown_is_the_last_word(
    make_manager: Make, monkeypatch: pytest.MonkeyPatch, leftovers: Callable[[str], list[str]], namespace: str
) -> None:
    """Whenever the restarter polls: it does not ask whether the manager shuts down."""
    launch, launched = KubernetesProvisioner.launch_kernel, []

    async def count(self: KubernetesProvisioner, cmd: list[str], **kwargs: Any) -> Any:
        launched.append(self)
        return await launch(self, cmd, **kwargs)

    monkeypatch.setattr(KubernetesProvisioner, "launch_kernel", count)
    config = Config({"KernelRestarter": {"time_to_dead": 0.02}})
    for n in range(3):
        manager = make_manager(AsyncIOLoopKernelManager, config=config)
        await manager.start_kernel()
        await asyncio.sleep(n * 0.01)
        await manager.shutdown_kernel()
    await asyncio.to_thread(wait_until, "nothing left", lambda: not leftovers(namespace), seconds=60)
    assert len(launched) == 3
