"""R in an image without Python: the plain bootstrap, and what is lost with it."""

import logging
from collections.abc import Callable

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import begin, connected, reply_to, run, until_ended
from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

DEAF = "trap '' TERM; exec R --slave -e 'IRkernel::main()' --args \"$1\""
Managers = Callable[..., AsyncKernelManager]


@pytest.fixture
def kernelspec(operator: object, namespace: str, install_kernelspec: Callable[..., str], r_image: str) -> str:
    return install_kernelspec(namespace, "--image", r_image, "--language", "R")


@pytest.fixture
async def manager(kernelspec: str, manager_of: Managers) -> AsyncKernelManager:
    """Its kernel runs."""
    manager = manager_of(kernelspec)
    await manager.start_kernel()
    return manager


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    return kubectl.within(namespace)


async def test_start_execute_shutdown(
    manager: AsyncKernelManager, here: Kubectl, leftovers: Callable[[str], list[str]], namespace: str
) -> None:
    async with connected(manager) as client:
        assert await run(client, "cat(6 * 7)") == "42"
        assert await run(client, "cat(nchar(Sys.which('python3')), Sys.getpid() != 1)") == "0 TRUE"
        assert await run(client, "stop('no')") == "ERROR"
    status = here.only("kernels")["status"]
    assert (status["phase"], "controlPort" in status["connection"]) == ("Running", False)
    await manager.shutdown_kernel()
    assert (await manager.is_alive(), manager.has_kernel) == (False, False)
    wait_until("nothing left over", lambda: leftovers(namespace) == [], seconds=30)


async def test_the_environment_of_r_holds_no_secret(manager: AsyncKernelManager) -> None:
    async with connected(manager) as client:
        assert await run(client, "cat(grep('^KUBERNEL_|^JPY_PARENT', names(Sys.getenv())))") == ""


# IRkernel replaces quit(), base::quit() too: it only asks the client to end the kernel.
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(".Internal(quit('no', 0L, FALSE))", 0, id="0"),
        pytest.param(".Internal(quit('no', 42L, FALSE))", 42, id="42"),
        pytest.param("tools::pskill(Sys.getpid(), 11)", -11, id="SIGSEGV"),
        pytest.param("tools::pskill(Sys.getpid(), 9)", -9, id="SIGKILL"),
    ],
)
async def test_exit(manager: AsyncKernelManager, here: Kubectl, code: str, expected: int) -> None:
    async with connected(manager) as client:
        client.execute(code)
        assert await until_ended(manager) == expected
    assert await manager.provisioner.wait() == expected
    assert here.only("kernels")["status"]["exit"]["reason"] == ("Completed" if expected == 0 else "KernelCrashed")


async def test_a_restart_replaces_the_pod_and_keeps_the_address(manager: AsyncKernelManager, here: Kubectl) -> None:
    before, pod = manager.get_connection_info(), here.only("kernels")["status"]["podName"]
    async with connected(manager) as client:
        await run(client, "x <- 1")
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=90)
        assert await run(client, "cat(exists('x'))") == "FALSE"
    assert manager.get_connection_info() == before
    assert here.only("kernels")["status"]["podName"] == pod.removesuffix("-1") + "-2"


async def test_a_restart_is_not_answered_by_a_kernel_that_does_not_want_to_end(
    operator: object, namespace: str, install_kernelspec: Callable[..., str], manager_of: Managers, r_image: str
) -> None:
    """An open connection stays with the pod that accepted it, so the new pod is not Ready before that one is silent."""
    kernelspec = install_kernelspec(
        namespace, "--image", r_image, "--argv", "sh", "-c", DEAF, "sh", "{connection_file}"
    )
    manager = manager_of(kernelspec)
    await manager.start_kernel()
    async with connected(manager) as client:
        await run(client, "x <- 1")
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=90)
        assert await run(client, "cat(exists('x'))") == "FALSE"


async def test_a_graceful_restart(manager: AsyncKernelManager) -> None:
    async with connected(manager) as client:
        await run(client, "x <- 1")
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=90)
        assert await run(client, "cat(exists('x'))") == "FALSE"


async def test_an_interrupt_is_impossible_and_says_so_once(
    manager: AsyncKernelManager, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(manager) as client:
        asked = await begin(client, "cat('in\\n'); flush.console(); Sys.sleep(3); cat('done')")
        with caplog.at_level(logging.WARNING):
            await manager.interrupt_kernel()
            await manager.interrupt_kernel()
        assert (await reply_to(client, asked))["status"] == "ok"  # it ran on
        await manager.restart_kernel(now=True)  # begins with a SIGINT too
    said = [record.getMessage() for record in caplog.records if "signal" in record.getMessage()]
    assert said == [
        f"Kernel {manager.kernel_id}: it cannot be interrupted or sent signals: its image has no Python for the "
        "supervisor. Restart the kernel to end a cell, or add python3 to the image."
    ]


async def test_a_restart_ends_a_cell(manager: AsyncKernelManager) -> None:
    async with connected(manager) as client:
        await begin(client, "cat('in\\n'); flush.console(); repeat {}")
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=90)
        assert await run(client, "cat('here')") == "here"


async def test_an_interrupt_by_message_is_ignored_by_irkernel(
    namespace: str, operator: object, install_kernelspec: Callable[..., str], r_image: str, manager_of: Managers
) -> None:
    """Not ours to mend: this is what people see, and what docs/notebook-users.md tells them."""
    options = ("--image", r_image, "--language", "R", "--interrupt-mode", "message")
    manager = manager_of(install_kernelspec(namespace, *options))
    await manager.start_kernel()
    async with connected(manager) as client:
        asked = await begin(client, "cat('in\\n'); flush.console(); Sys.sleep(3); cat('done')")
        await manager.interrupt_kernel()
        assert (await reply_to(client, asked))["status"] == "ok"


async def test_a_busy_kernel_is_shut_down(
    manager: AsyncKernelManager, leftovers: Callable[[str], list[str]], namespace: str
) -> None:
    async with connected(manager) as client:
        await begin(client, "cat('in\\n'); flush.console(); repeat {}")
        await manager.shutdown_kernel()
    assert await manager.provisioner.poll() == -15
    wait_until("nothing left over", lambda: leftovers(namespace) == [], seconds=30)


async def test_kill_and_nothing_else(
    manager: AsyncKernelManager, leftovers: Callable[[str], list[str]], namespace: str
) -> None:
    await manager.provisioner.kill()
    assert (await manager.provisioner.wait(), await manager.provisioner.poll()) == (-9, -9)
    wait_until("nothing left over", lambda: leftovers(namespace) == [], seconds=60)
