"""A real kernel with a small CPU limit: it starts with more, and has its own limit when it is ready."""

import asyncio
from collections.abc import Callable

import pytest
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from kubernel_api.constants import ANNOTATION_STARTUP_CPU

#: Cores that the kernel's container may use, whatever version of cgroups the node has.
CORES = """
import pathlib
v1, v2 = pathlib.Path("/sys/fs/cgroup/cpu"), pathlib.Path("/sys/fs/cgroup/cpu.max")
names = "cpu.cfs_quota_us", "cpu.cfs_period_us"
quota, period = v2.read_text().split() if v2.exists() else [(v1 / name).read_text() for name in names]
print(int(quota) / int(period))
"""


async def has_its_own(client: AsyncKernelClient) -> None:
    """Waits until its own limit is in force."""
    async with asyncio.timeout(60):
        while await run(client, CORES) != "0.25\n":  # noqa: ASYNC110 - the node tells nobody
            await asyncio.sleep(0.2)


async def test_more_for_the_start(
    make_manager: Callable[..., AsyncKernelManager],
    monkeypatch: pytest.MonkeyPatch,
    here: Kubectl,
) -> None:
    monkeypatch.setenv("KUBERNEL_CPU", "250m")
    monkeypatch.setenv("KUBERNEL_STARTUP_CPU", "1")
    manager = make_manager()
    await manager.start_kernel()
    assert here.only("pods")["metadata"]["annotations"][ANNOTATION_STARTUP_CPU] == "1 250m"
    async with connected(manager) as client:
        await has_its_own(client)
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=60)
        await has_its_own(client)
    here("wait", "--for=jsonpath={.status.resources.limits.cpu}=250m", "--timeout=60s", "kernel", "--all")
    conditions = here.only("kernels")["status"]["conditions"]
    assert "Resizing" not in {condition["type"] for condition in conditions}
