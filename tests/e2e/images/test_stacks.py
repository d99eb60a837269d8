"""An image laid out like jupyter/docker-stacks, unchanged: its entrypoint, its user, its kernelspecs."""

from collections.abc import Callable

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import begin, connected, reply_to, run, until_ended
from fixtures.kubectl import Kubectl
from kubernel_provisioner.errors import KubernelError

Managers = Callable[..., AsyncKernelManager]


@pytest.fixture
def install(
    operator: object, namespace: str, install_kernelspec: Callable[..., str], stacks_image: str
) -> Callable[..., str]:
    """``install(*options)`` installs a kernelspec of that image and returns its name."""
    return lambda *options: install_kernelspec(namespace, "--image", stacks_image, *options)


@pytest.fixture
async def manager(install: Callable[..., str], manager_of: Managers) -> AsyncKernelManager:
    """Its kernel runs."""
    manager = manager_of(install())
    await manager.start_kernel()
    return manager


WHO = """
import os, pathlib, sys
print(os.getuid(), os.getgid(), os.environ["HOME"], os.getcwd())
print(os.environ.get("CONDA_PREFIX"), sys.executable)
print(pathlib.Path("/proc/1/comm").read_text().strip(), os.getsid(0) == os.getpid())
"""


async def test_the_entrypoint_ran(manager: AsyncKernelManager) -> None:
    async with connected(manager) as client:
        assert (await run(client, WHO)).splitlines() == [
            "1000 100 /home/jovyan /home/jovyan",
            "/opt/conda /opt/conda/bin/python3",
            "tini True",
        ]


async def test_a_kernelspec_inside_the_image(install: Callable[..., str], manager_of: Managers) -> None:
    manager = manager_of(install("--kernel-name", "python3"))
    await manager.start_kernel()
    async with connected(manager) as client:
        assert await run(client, "import sys; print(sys.executable)") == "/opt/conda/bin/python\n"


def test_a_kernelspec_by_kubectl(operator: object, kubectl: Kubectl, namespace: str, stacks_image: str) -> None:
    here = kubectl.within(namespace)
    spec = {"image": stacks_image, "kernel": {"name": "python3"}}
    here.apply(
        {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": "k"}, "spec": spec}
    )
    here("wait", "--for=condition=Ready", "kernel/k", "--timeout=90s")


async def test_an_unknown_kernelspec_names_those_that_are_there(
    install: Callable[..., str], manager_of: Managers
) -> None:
    manager = manager_of(install("--kernel-name", "julia"))
    with pytest.raises(KubernelError) as failure:
        await manager.start_kernel()
    assert "KernelCrashed" in str(failure.value)
    assert "no kernelspec named 'julia' in this image; found: python3" in str(failure.value)


async def test_an_interrupt(manager: AsyncKernelManager) -> None:
    async with connected(manager) as client:
        asked = await begin(client, "import time\nprint('in', flush=True)\ntime.sleep(60)")
        await manager.interrupt_kernel()
        assert (await reply_to(client, asked))["ename"] == "KeyboardInterrupt"


async def test_an_interrupt_by_signal_reaches_child_processes(
    install: Callable[..., str], manager_of: Managers
) -> None:
    manager = manager_of(install("--interrupt-mode", "signal"))
    await manager.start_kernel()
    # Not in child.wait(): there a KeyboardInterrupt may come before what the system call returned is kept.
    code = "import subprocess, time\nchild = subprocess.Popen(['sleep', '60'])\nprint('in', flush=True)\ntime.sleep(60)"
    async with connected(manager) as client:
        asked = await begin(client, code)
        await manager.interrupt_kernel()
        assert (await reply_to(client, asked))["ename"] == "KeyboardInterrupt"
        assert await run(client, "print(child.wait(timeout=10))") == "-2\n"


async def test_a_restart_in_place(manager: AsyncKernelManager, kubectl: Kubectl, namespace: str) -> None:
    before = manager.get_connection_info()
    async with connected(manager) as client:
        await run(client, "x = 1")
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=90)
        assert await run(client, "x") == "NameError"
        assert await run(client, "import os; print(os.environ['CONDA_PREFIX'])") == "/opt/conda\n"
    assert manager.get_connection_info() == before
    (instance,) = kubectl.within(namespace).items("kernels")
    assert instance["status"]["podName"].endswith("-1")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("os._exit(42)", 42, id="42"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", -11, id="SIGSEGV"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", -9, id="SIGKILL"),
    ],
)
async def test_exit(manager: AsyncKernelManager, code: str, expected: int) -> None:
    async with connected(manager) as client:
        client.execute(f"import os, signal; {code}")
        assert await until_ended(manager) == expected


async def test_the_container_ends_with_the_kernels_code(
    manager: AsyncKernelManager, kubectl: Kubectl, namespace: str
) -> None:
    """Through tini and start.sh, for who only reads pods."""
    here = kubectl.within(namespace)
    (instance,) = here.items("kernels")
    async with connected(manager) as client:
        client.execute("import os; os._exit(42)")
        await until_ended(manager)
    here(
        "wait",
        "--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}=42",
        f"pod/{instance['status']['podName']}",
        "--timeout=90s",
    )
