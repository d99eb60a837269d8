"""The leader sends callbacks to itself."""

import asyncio
from typing import Any

import pytest

from fixtures.fake_cluster import FakeCluster
from fixtures.jumping_loop import run_jumping
from kubernel_operator.act.callback_endpoints import CHECK_SECONDS, CallbackEndpoints

SERVICE_PATH = "/api/v1/namespaces/system/services/kubernel-callbacks"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/system/endpointslices"


@pytest.fixture
def cluster() -> FakeCluster:
    """With the chart's Service."""
    cluster = FakeCluster()
    metadata = {"name": "kubernel-callbacks", "namespace": "system", "uid": "service-1"}
    cluster.put(SERVICE_PATH, {"metadata": metadata, "spec": {"ports": [{"name": "callback", "port": 8443}]}})
    return cluster


def endpoints(cluster: FakeCluster, *addresses: str) -> CallbackEndpoints:
    return CallbackEndpoints(cluster, "system", "kubernel-callbacks", addresses, 8443)  # type: ignore[arg-type]


def reached(cluster: FakeCluster) -> dict[str, list[str]]:
    """The addresses by family."""
    slices = [obj for path, obj in cluster.objects.items() if path.startswith(SLICES)]
    return {s["addressType"]: [a for e in s["endpoints"] for a in e["addresses"]] for s in slices}


@pytest.mark.parametrize(
    ("addresses", "families"),
    [
        pytest.param(["10.0.0.7"], {"IPv4": ["10.0.0.7"]}, id="IPv4"),
        pytest.param(["fd00::7"], {"IPv6": ["fd00::7"]}, id="IPv6"),
        pytest.param(["fd00::7", "10.0.0.7"], {"IPv4": ["10.0.0.7"], "IPv6": ["fd00::7"]}, id="dual stack"),
    ],
)
async def test_each_family_has_a_slice(cluster: FakeCluster, addresses: list[str], families: Any) -> None:
    await endpoints(cluster, *addresses).ensure()
    assert reached(cluster) == families


async def test_a_new_leader_takes_the_old_ones_place(cluster: FakeCluster) -> None:
    await endpoints(cluster, "10.0.0.7", "fd00::7").ensure()
    await endpoints(cluster, "10.0.0.8").ensure()
    assert reached(cluster) == {"IPv4": ["10.0.0.8"], "IPv6": []}


async def test_what_is_right_is_not_written_again(cluster: FakeCluster) -> None:
    await endpoints(cluster, "10.0.0.7").ensure()
    writes = len(cluster.writes())
    await endpoints(cluster, "10.0.0.7").ensure()
    assert len(cluster.writes()) == writes


@pytest.mark.parametrize("fault", [False, True], ids=["deleted by hand", "the API server fails meanwhile"])
def test_it_is_mended(cluster: FakeCluster, fault: bool) -> None:
    async def test() -> None:
        task = asyncio.create_task(endpoints(cluster, "10.0.0.7").run())
        await asyncio.sleep(1)
        cluster.remove(f"{SLICES}/kubernel-callbacks-ipv4")
        if fault:
            cluster.fault = lambda _: "refused"
            await asyncio.sleep(2 * CHECK_SECONDS)
            cluster.fault = lambda _: ""
        await asyncio.sleep(CHECK_SECONDS + 2)
        assert reached(cluster) == {"IPv4": ["10.0.0.7"]}
        task.cancel()

    run_jumping(test())
