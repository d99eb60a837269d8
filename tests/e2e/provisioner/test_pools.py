"""Kernels from a pool, as a notebook server starts them: each is its user's own from its first cell on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import begin, connected, reply_to, run
from fixtures.kubectl import Kubectl, Object
from fixtures.waiting import wait_until
from kubernel_api.constants import API_VERSION

FILLED_SECONDS = 120


@pytest.fixture
def within(kubectl: Kubectl, namespace: str) -> Kubectl:
    """kubectl in the kernels' namespace."""
    return kubectl.within(namespace)


@pytest.fixture
def pool(within: Kubectl) -> Iterator[Callable[..., None]]:
    """``pool(replicas=2)`` makes a pool, or changes it, and waits until it is filled; it is deleted in the end."""

    def make(**spec: Any) -> None:
        within.apply({"apiVersion": API_VERSION, "kind": "KernelPool", "metadata": {"name": "science"}, "spec": spec})
        fill(within)

    yield make
    within("delete", "kernelpool", "science", "--wait=true")


def fill(within: Kubectl) -> None:
    """Until as many members wait as are to."""
    within("wait", "kernelpool/science", "--for=condition=Ready", f"--timeout={FILLED_SECONDS}s")
    wait_until("a filled pool", lambda: is_filled(within.json("get", "kernelpool", "science")), seconds=FILLED_SECONDS)


def is_filled(found: Object) -> bool:
    """Whether its status says so, of the spec as it is."""
    status = found.get("status") or {}
    is_new = status.get("observedGeneration") == found["metadata"]["generation"]
    return is_new and status["updatedReplicas"] == status["readyReplicas"] == found["spec"]["replicas"]


def start_of(within: Kubectl, manager: AsyncKernelManager) -> Object:
    """``status.start`` of a manager's KernelInstance."""
    found: Object = within.json("get", "kernel", f"k-{manager.provisioner.kernel_id}")["status"]["start"]
    return found


FACTS = "import os, gc; print(os.environ['KERNEL_WHO'], gc.get_freeze_count() > 0)"


@pytest.mark.parametrize("key_from", ["Client", "Operator"])
async def test_a_kernel_comes_from_the_pool(
    key_from: str,
    monkeypatch: pytest.MonkeyPatch,
    make_manager: Callable[..., AsyncKernelManager],
    pool: Callable[..., None],
    within: Kubectl,
) -> None:
    monkeypatch.setenv("KUBERNEL_KEY_FROM", key_from)
    pool(replicas=2)
    managers = [make_manager(), make_manager()]
    for manager, who in zip(managers, ("ada", "bob"), strict=True):
        await manager.start_kernel(env={"KERNEL_WHO": who})
    for manager, who in zip(managers, ("ada", "bob"), strict=True):
        assert start_of(within, manager) == {"type": "Warm", "pool": "science"}
        async with connected(manager) as client:
            assert await run(client, FACTS) == f"{who} True\n"
            asked = await begin(client, "print('begun')\nimport time; time.sleep(1000)")
            await manager.interrupt_kernel()
            assert (await reply_to(client, asked))["ename"] == "KeyboardInterrupt"
            await manager.restart_kernel(now=True)
            await client.wait_for_ready(timeout=60)
            assert await run(client, FACTS) == f"{who} True\n"
    fill(within)
    names = {p["metadata"]["name"] for p in within.items("pods")}
    assert len(names) == 4, "two kernels, two members that wait"


async def test_a_kernel_that_no_pool_fits_says_what_differs(
    make_manager: Callable[..., AsyncKernelManager], pool: Callable[..., None], within: Kubectl
) -> None:
    pool(replicas=1, resources={"requests": {"memory": "200Mi"}, "limits": {"memory": "1Gi"}})
    manager = make_manager()
    await manager.start_kernel()
    start = start_of(within, manager)
    assert (start["type"], start["reason"]) == ("Cold", "NoPoolFits")
    assert "KernelPool science has resources." in start["message"]
    assert "memory 1Gi, this kernel " in start["message"]
