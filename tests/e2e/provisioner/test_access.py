"""The ways to a kernel: a Service, the pod's own address, local ports through the API server."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.api_client import Credentials
from fixtures.etcd_bytes import etcd_bytes
from fixtures.kernel_managers import begin, connected, reply_to, run, until_ended
from fixtures.kubectl import Kubectl
from fixtures.objects import secrets_read_by
from fixtures.waiting import wait_until
from kubernel_provisioner.cluster import pools
from kubernel_provisioner.reach import route

Make = Callable[..., AsyncKernelManager]
#: Of all objects of a kernel, the Events of Kubernetes' own included. Who starts ten thousand has to reckon with it.
ETCD_BYTES = 20_000


async def test_the_pods_own_address(
    pod_network: None, make_manager: Make, monkeypatch: pytest.MonkeyPatch, kubectl: Kubectl, namespace: str
) -> None:
    """It survives a restart in place; with another pod it is another one, and the manager learns it."""
    monkeypatch.setenv("KUBERNEL_SERVICE", "None")
    manager = make_manager()
    await manager.start_kernel()
    first = manager.get_connection_info()
    await manager.restart_kernel(now=True)
    assert manager.get_connection_info() == first
    pods = "--selector=app.kubernetes.io/managed-by=kubernel"
    kubectl.within(namespace)("delete", "pods", pods, "--wait=false", "--grace-period=1")
    await until_ended(manager)
    await manager.restart_kernel(now=True)
    second = manager.get_connection_info()
    assert second["ip"] != first["ip"]
    assert {**second, "ip": ""} == {**first, "ip": ""}
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"


@pytest.fixture
async def forwarded(make_manager: Make, monkeypatch: pytest.MonkeyPatch) -> AsyncKernelManager:
    monkeypatch.setenv("KUBERNEL_ACCESS", "port-forward")
    manager = make_manager()
    await manager.start_kernel()
    return manager


async def test_through_the_api_server(forwarded: AsyncKernelManager) -> None:
    before = forwarded.get_connection_info()
    assert before["ip"] == "127.0.0.1"
    async with connected(forwarded) as client:
        assert len(await run(client, "for _ in range(100): print('x' * 1_000_000)")) == 100 * 1_000_001
        busy = await begin(client, "import time\nprint('busy', flush=True)\ntime.sleep(60)")
        await forwarded.interrupt_kernel()
        assert (await reply_to(client, busy))["ename"] == "KeyboardInterrupt"
        await forwarded.restart_kernel()
        await client.wait_for_ready(timeout=60)
        assert await run(client, "print(1)") == "1\n"
    assert forwarded.get_connection_info() == before
    await forwarded.signal_kernel(9)
    assert await until_ended(forwarded) == -9


def has_started(here: Kubectl, pod: str) -> bool:
    return bool(here.items("events", f"--field-selector=involvedObject.name={pod},reason=Started"))


async def test_a_client_that_is_far_away(
    make_manager: Make, monkeypatch: pytest.MonkeyPatch, kubectl: Kubectl, namespace: str, credentials: Credentials
) -> None:
    """Its second kernel's pod does not wait for its Secret, which comes late; nor do the pods that take its place.

    Neither takes more of etcd than it should.
    """
    monkeypatch.setenv("KUBERNEL_ACCESS", "port-forward")
    monkeypatch.setattr(pools, "FAR_SECONDS", 0.0)
    here, read = kubectl.within(namespace), []

    for _ in range(2):
        manager = make_manager()
        await manager.start_kernel()
        held = (await manager.provisioner.get_provisioner_info())["instance"]["name"]
        read.append(secrets_read_by(here.json("get", "pod", f"{held}-1")))
        async with connected(manager) as client:
            assert await run(client, "print(1)") == "1\n"
        wait_until("the last Event of a start", partial(has_started, here, f"{held}-1"), seconds=60)
        sizes = etcd_bytes(credentials, namespace, held)
        assert sizes.total() < ETCD_BYTES, sizes
    assert [len(names) for names in read] == [2, 1]
    here("delete", "pod", f"{held}-1", "--wait=false", "--grace-period=1")
    await until_ended(manager)
    await manager.restart_kernel(now=True)
    assert len(secrets_read_by(here.json("get", "pod", f"{held}-2"))) == 1
    async with connected(manager) as client:
        assert await run(client, "print(2)") == "2\n"
    assert len(here.items("secrets", "--field-selector=type=kubernel.dev/connection")) == 2


async def test_a_replaced_pod_is_found_through_the_same_ports(
    forwarded: AsyncKernelManager, kubectl: Kubectl, namespace: str
) -> None:
    before = forwarded.get_connection_info()
    async with connected(forwarded) as client:
        pods = "--selector=app.kubernetes.io/managed-by=kubernel"
        kubectl.within(namespace)("delete", "pods", pods, "--wait=false", "--grace-period=1")
        await until_ended(forwarded)
        await forwarded.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
        assert await run(client, "print(1)") == "1\n"
    assert forwarded.get_connection_info() == before


@pytest.mark.parametrize(
    ("seconds", "is_forwarded"),
    [pytest.param(30.0, False, id="the address answers"), pytest.param(0.0, True, id="no time for it to answer")],
)
async def test_auto_takes_what_answers(
    pod_network: None, make_manager: Make, monkeypatch: pytest.MonkeyPatch, seconds: float, is_forwarded: bool
) -> None:
    monkeypatch.setattr(route, "TRIAL_SECONDS", seconds)
    one, other = make_manager(), make_manager()
    await one.start_kernel()
    monkeypatch.setattr(route, "TRIAL_SECONDS", 30.0 - seconds)  # it is tried once, and then known
    await asyncio.wait_for(other.start_kernel(), 60)
    assert [manager.ip == "127.0.0.1" for manager in (one, other)] == [is_forwarded] * 2
