"""A real kernel gets more memory and CPU while it runs: it keeps its variables, and the new limit is in force."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from kubernel_provisioner.commands.cli import main
from kubernel_provisioner.errors import ConfigurationError, ResizeError

Make = Callable[..., AsyncKernelManager]

#: What the kernel's own container is limited to, in bytes, whatever version of cgroups the node has.
LIMIT = """
import pathlib
names = "memory.max", "memory/memory.limit_in_bytes"
files = [pathlib.Path("/sys/fs/cgroup", name) for name in names]
print(next(file.read_text().strip() for file in files if file.exists()))
"""
MIB = 1 << 20


@pytest.fixture
async def small(make_manager: Make, monkeypatch: pytest.MonkeyPatch) -> AsyncKernelManager:
    """A kernel with 300Mi that has a variable."""
    monkeypatch.setenv("KUBERNEL_MEMORY", "300Mi")
    manager = make_manager()
    await manager.start_kernel()
    async with connected(manager) as client:
        await run(client, "x = 42")
        assert await run(client, LIMIT) == f"{300 * MIB}\n"
    return manager


async def test_more_memory_and_cpu(small: AsyncKernelManager, here: Kubectl) -> None:
    before = small.get_connection_info()
    resources = await small.provisioner.resize(memory="800Mi", cpu="500m")  # type: ignore[union-attr]
    assert resources["limits"] == {"memory": "800Mi", "cpu": "500m"}
    async with connected(small) as client:
        assert await run(client, LIMIT) == f"{800 * MIB}\n"
        # More than it could have had before.
        assert await run(client, "data = bytearray(500 << 20); print(x, len(data))") == f"42 {500 * MIB}\n"
        await small.restart_kernel()
        await client.wait_for_ready(timeout=60)
        assert await run(client, LIMIT) == f"{800 * MIB}\n"
    assert small.get_connection_info() == before
    assert here.only("kernels")["status"]["podIncarnation"] == 1


async def test_by_command(
    small: AsyncKernelManager, here: Kubectl, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = here.only("kernels")["metadata"]["name"]
    assert await asyncio.to_thread(main, ["resize", name, "-n", namespace, "--memory", "600Mi", "--wait"]) == 0
    assert "has memory 600Mi" in capsys.readouterr().out
    async with connected(small) as client:
        assert await run(client, LIMIT + "print(x)") == f"{600 * MIB}\n42\n"
    assert await asyncio.to_thread(main, ["resize", name, "-n", namespace, "--memory", "100Ti", "--wait"]) == 1
    assert "was not resized: ResizeInfeasible." in capsys.readouterr().err
    assert await asyncio.to_thread(main, ["resize", "nobody", "-n", namespace, "--memory", "1Gi"]) == 1
    assert "There is no kernel nobody in namespace" in capsys.readouterr().err


async def test_what_cannot_be(small: AsyncKernelManager) -> None:
    """The kernel goes on as before."""
    resize = small.provisioner.resize  # type: ignore[union-attr]
    with pytest.raises(ResizeError, match="memory 100Ti is not possible on node") as refused:
        await resize(memory="100Ti")
    assert refused.value.reason == "ResizeInfeasible"
    with pytest.raises(ConfigurationError, match="memory is wrong: 'much' is no amount"):
        await resize(memory="much")
    async with connected(small) as client:
        assert await run(client, LIMIT + "print(x)") == f"{300 * MIB}\n42\n"


@pytest.fixture
def quota(here: Kubectl) -> Iterator[None]:
    """No more than 400Mi for all kernels."""
    spec = {"hard": {"limits.memory": "400Mi"}}
    here.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": spec})
    here("wait", "--for=jsonpath={.status.hard}", "--timeout=60s", "resourcequota/small")
    yield
    here("delete", "resourcequota", "small")


@pytest.mark.usefixtures("quota")
async def test_what_the_quota_does_not_allow(small: AsyncKernelManager, here: Kubectl) -> None:
    with pytest.raises(ResizeError, match="exceeded quota: small") as refused:
        await small.provisioner.resize(memory="800Mi")  # type: ignore[union-attr]
    assert refused.value.reason == "ResizeRefused"
    assert here.only("kernels")["status"]["resources"]["limits"]["memory"] == "300Mi"
    async with connected(small) as client:
        assert await run(client, "print(x)") == "42\n"
