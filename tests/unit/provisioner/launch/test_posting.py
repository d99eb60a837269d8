"""Creating and deleting without losing anything."""

import asyncio
import logging
from typing import Any

import pytest

from fixtures.fake_api_server import INSTANCES, NAMESPACE, POOLS, SECRETS, FakeApiServer, failure, instance, listing
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster import pools
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.lease import IN_A_POD_SECONDS
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import LaunchError, RefusedError
from kubernel_provisioner.launch import posting
from kubernel_provisioner.launch.posting import Poster
from kubernel_wire.keys import ConnectionKeys
from kubernel_wire.sealed_keys import opened_keys, public_key

TAKEN = failure(409, "AlreadyExists", name="k-a")


@pytest.fixture
def poster(key: ClusterKey, background: Background) -> Poster:
    return Poster(key, background, logging.getLogger("test"))


def build(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


async def test_create(cluster: Cluster, server: FakeApiServer, poster: Poster) -> None:
    server.answers["POST", INSTANCES] = [(201, instance("k-a"))]
    assert await poster.create(cluster, "a", build) == instance("k-a")
    assert await poster.create(cluster, "a", build) == instance("k-a")
    assert [body for _, _, body in server.requests] == [build("k-a"), build("k-a-2")]  # a name is used once


async def test_a_name_that_is_taken(cluster: Cluster, server: FakeApiServer, poster: Poster) -> None:
    server.answers["POST", INSTANCES] = [TAKEN, (201, instance("k-a-2"))]
    server.answers["GET", f"{INSTANCES}/k-a"] = [(200, instance("k-a", server="somebody else"))]
    assert await poster.create(cluster, "a", build) == instance("k-a-2")


DELETED = instance("k-a")
DELETED["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param((200, DELETED), id="being deleted"),  # and held by somebody's finalizer
        pytest.param(failure(404, "NotFound", name="k-a"), id="deleted meanwhile"),
    ],
)
async def test_the_name_of_an_earlier_kernel_of_that_id(
    cluster: Cluster, server: FakeApiServer, poster: Poster, found: tuple[int, dict[str, Any]]
) -> None:
    server.answers["POST", INSTANCES] = [TAKEN, (201, instance("k-a-2"))]
    server.answers["GET", f"{INSTANCES}/k-a"] = [found]
    assert await poster.create(cluster, "a", build) == instance("k-a-2")


async def test_a_name_that_another_kernel_of_this_server_has(
    cluster: Cluster, server: FakeApiServer, poster: Poster
) -> None:
    cluster.view.offer(instance("k-a"))
    server.answers["POST", INSTANCES] = [TAKEN, (201, instance("k-a-2"))]
    server.answers["GET", f"{INSTANCES}/k-a"] = [(200, instance("k-a"))]
    assert await poster.create(cluster, "a", build) == instance("k-a-2")


async def test_an_answer_that_was_lost(cluster: Cluster, server: FakeApiServer, poster: Poster) -> None:
    """The attempt before has made it; a second KernelInstance would be an orphan."""
    server.answers["POST", INSTANCES] = [TAKEN]
    server.answers["GET", f"{INSTANCES}/k-a"] = [(200, instance("k-a"))]
    assert await poster.create(cluster, "a", build) == instance("k-a")


KEYS = ConnectionKeys("k3y")


async def test_a_secret_that_somebody_else_was_faster_to_make(
    cluster: Cluster, server: FakeApiServer, poster: Poster, background: Background
) -> None:
    """Or an attempt of ours, whose answer was lost. A key that may be known to others is used by no kernel."""
    server.answers["POST", INSTANCES] = [(201, instance("k-a")), (201, instance("k-a-2", uid="u2"))]
    server.answers["POST", SECRETS] = [failure(409, "AlreadyExists", name="k-a-u1"), (201, {})]
    server.answers["DELETE", f"{INSTANCES}/k-a"] = [(200, {})]
    made = await poster.create(cluster, "a", build, KEYS)
    assert made["metadata"]["name"] == "k-a-2"
    await background.finish_errands(10)
    names = [body["metadata"]["name"] for _, path, body in server.requests if path == SECRETS]
    assert names == ["k-a-u1", "k-a-2-u2"]
    assert ("DELETE", f"{INSTANCES}/k-a") in server.calls()


async def test_cancelled_while_the_secret_is_made(
    cluster: Cluster, server: FakeApiServer, poster: Poster, background: Background
) -> None:
    server.gates["POST", SECRETS] = asyncio.Event()
    server.answers["POST", INSTANCES] = [(201, instance("k-a"))]
    server.answers["POST", SECRETS] = [(201, {})]
    server.answers["DELETE", f"{INSTANCES}/k-a"] = [(200, {})]
    creating = asyncio.create_task(poster.create(cluster, "a", build, KEYS))
    await server.asked("POST", SECRETS)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    server.gates["POST", SECRETS].set()
    await background.finish_errands(10)
    assert server.calls()[-1] == ("DELETE", f"{INSTANCES}/k-a")


async def test_all_names_are_taken(cluster: Cluster, server: FakeApiServer, poster: Poster) -> None:
    server.answers["POST", INSTANCES] = [TAKEN]
    for name in ("k-a", "k-a-2", "k-a-3", "k-a-4", "k-a-5"):
        server.answers["GET", f"{INSTANCES}/{name}"] = [(200, instance(name, server="somebody else"))]
    with pytest.raises(LaunchError, match=r"5 names for the kernel are taken\.\nThe last .*k-a-5"):
        await poster.create(cluster, "a", build)


async def test_a_refusal_is_explained(cluster: Cluster, server: FakeApiServer, poster: Poster) -> None:
    server.answers["POST", INSTANCES] = [failure(422, "Invalid", name="k-a")]
    with pytest.raises(RefusedError, match="refused to create a KernelInstance"):
        await poster.create(cluster, "a", build)


async def test_cancelled_while_the_request_is_under_way(
    cluster: Cluster, server: FakeApiServer, poster: Poster, background: Background
) -> None:
    server.gates["POST", INSTANCES] = asyncio.Event()
    server.answers["POST", INSTANCES] = [(201, instance("k-a"))]
    server.answers["DELETE", f"{INSTANCES}/k-a"] = [(200, {})]
    creating = asyncio.create_task(poster.create(cluster, "a", build))
    await server.asked("POST", INSTANCES)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    server.gates["POST", INSTANCES].set()
    await background.finish_errands(10)
    assert server.calls() == [("POST", INSTANCES), ("DELETE", f"{INSTANCES}/k-a")]


async def test_delete_is_tried_until_it_is_done(
    cluster: Cluster, server: FakeApiServer, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "DELETE_RETRY_SECONDS", (0.0,))
    cluster.view.offer(instance("k-a"))
    server.answers["DELETE", f"{INSTANCES}/k-a"] = [failure(403, "Forbidden"), failure(403, "Forbidden"), (200, {})]
    await poster.delete("k-a", "u1", "s")
    assert len(server.requests) == 3
    assert cluster.view.get("k-a") is None


async def test_delete_gives_up_at_last(
    cluster: Cluster,
    server: FakeApiServer,
    poster: Poster,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(posting, "DELETE_RETRY_SECONDS", (0.0,))
    monkeypatch.setattr(posting, "DELETE_ATTEMPTS", 3)
    server.answers["DELETE", f"{INSTANCES}/k-a"] = [failure(403, "Forbidden")]
    server.answers["GET", f"{INSTANCES}/k-a"] = [(200, instance("k-a"))]
    await poster.delete("k-a", "u1", "s")
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert caplog.messages[-1] == "KernelInstance k-a could not be deleted; try: kubectl delete kernel k-a"


def test_delete_is_tried_for_longer_than_an_outage_that_kernels_survive() -> None:
    """The Lease is renewed after it, so nobody else would delete that one."""
    first, last = posting.DELETE_RETRY_SECONDS[:-1], posting.DELETE_RETRY_SECONDS[-1]
    assert sum(first) + last * (posting.DELETE_ATTEMPTS - len(first)) > IN_A_POD_SECONDS


OPERATOR = b"operator secret"


def build_whole(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"connection": {"keyFrom": "Client"}}}


def a_pool(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "uid": "p", "resourceVersion": "1"}, "status": status}


async def test_keys_are_sealed_to_what_a_pool_says(cluster: Cluster, server: FakeApiServer, poster: Poster) -> None:
    server.answers["GET", POOLS] = [listing(1, a_pool(), a_pool(publicKey=public_key(OPERATOR)))]
    server.answers["POST", INSTANCES] = [TAKEN, (201, instance("k-a-2"))]
    server.answers["GET", f"{INSTANCES}/k-a"] = [(200, instance("k-a", server="somebody else"))]
    server.answers["POST", SECRETS] = [(201, {})]
    await poster.create(cluster, "a", build_whole, KEYS)
    posted = [body for method, path, body in server.requests if (method, path) == ("POST", INSTANCES)]
    for body in posted:
        sealed, name = body["spec"]["connection"]["sealedKeys"], body["metadata"]["name"]
        assert opened_keys(OPERATOR, NAMESPACE, name, sealed) == {"key": "k3y"}
    assert len(posted) == 2
    assert server.calls().count(("GET", POOLS)) == 1, "what is known is not asked for again at once"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(failure(403, "Forbidden"), id="no right"),
        pytest.param(failure(404, "NotFound"), id="no such kind"),
        pytest.param(listing(1), id="no pool"),
        pytest.param(listing(1, a_pool()), id="an operator that does not know of it"),
        pytest.param(listing(1, a_pool(publicKey="nonsense")), id="no key"),
    ],
)
async def test_without_a_pool_nothing_is_sealed(
    cluster: Cluster, server: FakeApiServer, poster: Poster, answer: tuple[int, dict[str, Any]]
) -> None:
    server.answers["GET", POOLS] = [answer]
    server.answers["POST", INSTANCES] = [(201, instance("k-a"))]
    server.answers["POST", SECRETS] = [(201, {})]
    await poster.create(cluster, "a", build_whole, KEYS)
    (posted,) = (body for method, path, body in server.requests if (method, path) == ("POST", INSTANCES))
    assert posted == build_whole("k-a")


async def test_a_pool_that_comes_later_is_found_by_the_next_start(
    cluster: Cluster, server: FakeApiServer, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "NONE_SECONDS", 0.0)
    server.answers["GET", POOLS] = [listing(1), listing(2, a_pool(publicKey=public_key(OPERATOR)))]
    server.answers["POST", INSTANCES] = [(201, instance("k-a")), (201, instance("k-b"))]
    server.answers["POST", SECRETS] = [(201, {}), (201, {})]
    for kernel_id in ("a", "b"):
        await poster.create(cluster, kernel_id, build_whole, KEYS)
    posted = [body for method, path, body in server.requests if (method, path) == ("POST", INSTANCES)]
    assert ["sealedKeys" in body["spec"]["connection"] for body in posted] == [False, True]


@pytest.mark.parametrize(("far_seconds", "is_sealed"), [(0.0, True), (60.0, False)])
async def test_a_client_that_is_far_away_tells_the_operator_its_keys(
    cluster: Cluster,
    server: FakeApiServer,
    poster: Poster,
    monkeypatch: pytest.MonkeyPatch,
    far_seconds: float,
    is_sealed: bool,
) -> None:
    """Its Secret would come later than the kubelet wants it, which would look again a second after that."""
    monkeypatch.setattr(pools, "FAR_SECONDS", far_seconds)
    server.answers["GET", POOLS] = [listing(1)]
    server.answers["POST", INSTANCES] = [(201, instance("k-a")), (201, instance("k-b"))]
    server.answers["POST", SECRETS] = [(201, {}), (201, {})]
    await poster.create(cluster, "a", build_whole, KEYS)
    cluster.apply("MODIFIED", instance("k-a", version=6, publicKey=public_key(OPERATOR)))
    await poster.create(cluster, "b", build_whole, KEYS)
    posted = [body for method, path, body in server.requests if (method, path) == ("POST", INSTANCES)]
    told = [body["spec"]["connection"].get("sealedKeys") for body in posted]
    assert [text is not None for text in told] == [False, is_sealed]
    if is_sealed:
        assert opened_keys(OPERATOR, NAMESPACE, posted[1]["metadata"]["name"], told[1]) == {"key": "k3y"}
    assert server.calls().count(("POST", SECRETS)) == 2, "who may read Secrets finds the key there all the same"


async def test_far_away_only_the_first_start_waits_for_pools(
    cluster: Cluster, server: FakeApiServer, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "FAR_SECONDS", 0.0)
    monkeypatch.setattr(pools, "NONE_SECONDS", 0.0)
    monkeypatch.setattr(pools, "ASK_AFTER_SECONDS", 0.0)
    server.answers["GET", POOLS] = [listing(1)]
    server.answers["POST", INSTANCES] = [(201, instance("k-a")), (201, instance("k-b"))]
    server.answers["POST", SECRETS] = [(201, {}), (201, {})]
    await poster.create(cluster, "a", build_whole, KEYS)
    assert server.calls()[0] == ("GET", POOLS)
    server.gates["GET", POOLS] = asyncio.Event()
    await poster.create(cluster, "b", build_whole, KEYS)
    await server.asked("GET", POOLS)
    server.gates["GET", POOLS].set()
