"""What a process has open in a namespace: the Lease first, and closed again when nothing is left."""

import asyncio
from collections.abc import Callable

import pytest

from fixtures.fake_api_server import (
    INSTANCES,
    KERNEL,
    LEASE,
    LEASES,
    FakeApiServer,
    HereAndNow,
    failure,
    instance,
    listing,
)
from kubernel_cluster.login import ClusterKey
from kubernel_cluster.retry import Patience
from kubernel_provisioner.cluster import lease as lease_module
from kubernel_provisioner.cluster import shared as cluster_module
from kubernel_provisioner.cluster.shared import Cluster, shared_cluster
from kubernel_provisioner.errors import ClusterBusyError, CRDMissingError, NamespaceMissingError


async def end_watch(server: FakeApiServer) -> None:
    (await server.watches.get()).end()


@pytest.mark.usefixtures("usual")
async def test_the_lease_comes_first(server: FakeApiServer, key: ClusterKey) -> None:
    """Before any KernelInstance; the list is on its way meanwhile, which far away is a second less."""
    server.gates["POST", LEASES] = asyncio.Event()
    opening = asyncio.create_task(Cluster.open(key, "s"))
    await server.asked("GET", INSTANCES)
    await server.asked("POST", LEASES)
    assert not opening.done()
    server.gates["POST", LEASES].set()
    cluster = await opening
    assert sorted(server.calls()) == [("GET", INSTANCES), ("POST", LEASES)]
    (lease,) = (body for _, path, body in server.requests if path == LEASES)
    assert lease["metadata"]["name"] == "kubernel-server-s"
    await end_watch(server)
    await cluster.close()
    assert server.calls()[2:] == [("DELETE", LEASE)]


@pytest.mark.usefixtures("usual")
async def test_what_nobody_has_shut_down_ends_with_the_process(server: FakeApiServer, key: ClusterKey) -> None:
    server.answers["GET", INSTANCES] = [listing(9, instance())]
    server.answers["DELETE", f"{INSTANCES}/k-1"] = [(200, {})]
    cluster = await Cluster.open(key, "s")
    await end_watch(server)
    await cluster.close()
    assert server.calls()[2:] == [("DELETE", f"{INSTANCES}/k-1"), ("DELETE", LEASE)]
    assert server.requests[2][2]["preconditions"] == {"uid": "u1", "resourceVersion": "5"}
    assert cluster.left_behind() == ""


@pytest.mark.usefixtures("usual")
async def test_what_could_not_be_deleted_is_said(server: FakeApiServer, key: ClusterKey) -> None:
    """But nothing of what was given out."""
    names = ("k-1", "k-2", "k-3")
    server.answers["GET", INSTANCES] = [listing(9, *(instance(name, uid=name) for name in names))]
    server.answers["DELETE", f"{INSTANCES}/k-1"] = [failure(403, "Forbidden")]
    server.answers["DELETE", f"{INSTANCES}/k-2"] = [(200, {})]
    cluster = await Cluster.open(key, "s", 600)
    cluster.given_out.add("k-3")
    await end_watch(server)
    await cluster.close()
    said = cluster.left_behind()
    assert said.startswith("Not deleted as this process ended: k-1. ")
    assert "not been heard of for 600 s" in said
    assert said.endswith(" k-1")


@pytest.mark.usefixtures("usual")
async def test_a_network_that_works_again_shows_all_anew(
    server: FakeApiServer, key: ClusterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as the Lease is renewed: the watch may wait for a while, or be one that hears nothing any more."""
    monkeypatch.setattr(lease_module, "RETRY_SECONDS", 0.001)
    server.answers["PATCH", LEASE] = [failure(403, "Forbidden"), failure(403, "Forbidden"), (200, {})]
    cluster = await Cluster.open(key, "s", 10)
    silent = await server.watches.get()
    server.requests.clear()
    cluster.lease.renew_soon()
    await server.watches.get()
    assert server.calls().count(("GET", INSTANCES)) == 1
    silent.end()
    await cluster.close()


@pytest.mark.usefixtures("usual")
async def test_what_was_given_out_lives_on_and_so_does_the_lease(server: FakeApiServer, key: ClusterKey) -> None:
    server.answers["GET", INSTANCES] = [listing(9, instance(), instance("k-2", uid="u2"))]
    server.answers["DELETE", f"{INSTANCES}/k-2"] = [(200, {})]
    cluster = await Cluster.open(key, "s")
    cluster.given_out.add("u1")
    await end_watch(server)
    await cluster.close()
    assert server.calls()[2:] == [("DELETE", f"{INSTANCES}/k-2")]


@pytest.mark.usefixtures("usual")
async def test_the_lease_lasts_as_long_as_the_most_patient_kernel_asks_for(
    server: FakeApiServer, key: ClusterKey
) -> None:
    server.answers["PATCH", LEASE] = [(200, {})]
    background = HereAndNow()
    for seconds in (600, 86_400, 600):
        cluster = await shared_cluster(key, background, seconds)
    asked = [
        (method, body["spec"]["leaseDurationSeconds"]) for method, path, body in server.requests if "lease" in path
    ]
    assert asked == [("POST", 600), ("PATCH", 86_400)]
    await end_watch(server)
    await cluster.close()


@pytest.mark.usefixtures("usual")
async def test_after_a_sleep_the_lease_is_renewed_and_kernels_are_looked_at_anew(
    server: FakeApiServer, key: ClusterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch is still open as far as this machine knows; nothing comes over it any more."""
    woken: list[Callable[[], None]] = []

    async def sleep(act: Callable[[], None]) -> None:
        woken.append(act)

    monkeypatch.setattr(cluster_module, "on_wake_up", sleep)
    server.answers["PATCH", LEASE] = [(200, {})]
    cluster = await Cluster.open(key, "s")
    silent = await server.watches.get()
    cluster.view.offer(instance(version=5))
    server.requests.clear()
    server.answers["GET", INSTANCES] = [listing(9)]
    woken[0]()
    await server.watches.get()
    await server.asked("PATCH", LEASE)
    await server.asked("GET", KERNEL)  # deleted, or another server's by now?
    while cluster.view.living():  # noqa: ASYNC110 - the answer is on its way
        await asyncio.sleep(0.001)
    assert sorted(server.calls()) == [("GET", INSTANCES), ("GET", KERNEL), ("PATCH", LEASE)]
    silent.end()
    await cluster.close()


@pytest.mark.usefixtures("usual")
async def test_it_is_opened_once(server: FakeApiServer, key: ClusterKey) -> None:
    background = HereAndNow()
    one, other = await asyncio.gather(shared_cluster(key, background), shared_cluster(key, background))
    assert one is other
    assert server.calls() == [("POST", LEASES), ("GET", INSTANCES)]
    await end_watch(server)
    await one.close()


@pytest.mark.parametrize(
    ("what", "answer", "error"),
    [
        pytest.param(
            ("POST", LEASES),
            failure(404, "NotFound", kind="namespaces", name="jhub"),
            NamespaceMissingError,
            id="namespace",
        ),
        pytest.param(("GET", INSTANCES), failure(404, "NotFound"), CRDMissingError, id="CRD"),
        pytest.param(("GET", INSTANCES), failure(429, "TooManyRequests"), ClusterBusyError, id="a CRD replaced"),
    ],
)
@pytest.mark.usefixtures("usual")
async def test_what_is_missing_is_named_and_the_next_one_tries_again(
    server: FakeApiServer,
    key: ClusterKey,
    what: tuple[str, str],
    answer: tuple[int, dict[str, object]],
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kubernel_provisioner.cluster.api.PATIENCE", Patience(absent=0.0, busy=0.0))
    background, usual = HereAndNow(), server.answers[what]
    server.answers[what] = [answer]
    with pytest.raises(error):
        await shared_cluster(key, background)
    server.answers[what] = usual
    cluster = await shared_cluster(key, background)
    await end_watch(server)
    await cluster.close()


@pytest.mark.usefixtures("usual")
async def test_a_namespace_without_kernels_is_left_alone(
    server: FakeApiServer, key: ClusterKey, monkeypatch: pytest.MonkeyPatch, write_kubeconfig: Callable[..., ClusterKey]
) -> None:
    monkeypatch.setattr(cluster_module, "RETIRE_SECONDS", 0.0)
    background = HereAndNow()
    await shared_cluster(key, background)
    await end_watch(server)
    while ("DELETE", LEASE) not in server.calls():  # noqa: ASYNC110 - it comes by itself
        await asyncio.sleep(0.001)
    assert key not in background.shared
