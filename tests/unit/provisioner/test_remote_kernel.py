"""A kernel that is signalled, ended and launched by several at once, through a provisioner."""

import asyncio

import pytest

from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.background import Background
from kubernel_provisioner.errors import KernelDeletedError

from .conftest import INSTANCES, KERNEL, FakeApiServer, failure, instance
from .pod import Pod


def signals(pod: Pod) -> list[int]:
    """What its supervisor was asked to send."""
    return [request["signum"] for request in pod.requests if request["op"] == "signal"]


async def settle() -> None:
    """Lets everything run that need not wait for anybody."""
    for _ in range(20):
        await asyncio.sleep(0)


# Two tabs, one kernel.


@pytest.mark.parametrize("ends", ["cancelled", "failed"])
async def test_a_launch_that_ends_badly_leaves_the_kernel_to_a_newer_one(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod, ends: str
) -> None:
    refused, restarted = failure(403, "Forbidden"), (200, instance(version=6, **pod.status(restart=1)))
    server.answers["PATCH", KERNEL] = [refused if ends == "failed" else restarted, restarted]
    server.gates["PATCH", KERNEL] = asyncio.Event()
    one = asyncio.create_task(running.launch_kernel([]))
    await server.asked("PATCH", KERNEL)
    two = asyncio.create_task(running.launch_kernel([]))
    await settle()
    if ends == "cancelled":
        one.cancel()
    server.gates["PATCH", KERNEL].set()
    await asyncio.wait({one})
    assert await two == pod.info()
    assert running.has_process
    assert await running.poll() is None
    assert ("DELETE", KERNEL) not in server.calls()


async def test_a_newer_launch_that_is_cancelled_takes_an_older_one_along(
    provisioner: KubernetesProvisioner, server: FakeApiServer, background: Background
) -> None:
    """The older one was in the middle of its POST: nothing was held yet that could be deleted."""
    server.gates["POST", INSTANCES] = asyncio.Event()
    one = asyncio.create_task(provisioner.launch_kernel([]))
    await server.asked("POST", INSTANCES)
    two = asyncio.create_task(provisioner.launch_kernel([]))
    await settle()
    two.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two
    await settle()
    server.gates["POST", INSTANCES].set()
    with pytest.raises(KernelDeletedError):
        await one
    await background.finish_errands(10)
    assert ("DELETE", KERNEL) in server.calls()
    assert not provisioner.has_process
