"""What runs beside the passes goes on, whatever a single object does."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY

from fixtures.fake_cluster import FakeCluster
from fixtures.objects import cr
from fixtures.waiting import until
from kubernel_cluster.cluster import Listing
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator import patience
from kubernel_operator.housekeeping import Sweeps, Take
from kubernel_operator.observe.cache import Cache, Key

INSTANCE_PATH = "/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/k1"


def sweeps(cluster: FakeCluster, *namespaces: str, take: Take = lambda *_: None) -> Sweeps:
    return Sweeps(cluster, namespaces, Cache(), take, 3600)  # type: ignore[arg-type]


class Forbidding(FakeCluster):
    """An API server that lets nobody list some namespaces: their Roles are gone.

    Attributes:
        forbidden: their names.
    """

    def __init__(self, *forbidden: str) -> None:
        super().__init__()
        self.forbidden = set(forbidden)

    async def list(self, path: str, **selectors: str) -> Listing:
        if self.forbidden & set(path.split("/")):
            raise ApiError(403, "Forbidden", f"cannot list {path}")
        return await super().list(path, **selectors)


def found(kind: str) -> float:
    return REGISTRY.get_sample_value("kubernel_sweep_found_total", {"kind": kind}) or 0.0


async def test_the_first_comparison_is_tried_until_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0)
    cluster, failures = FakeCluster(), iter(["refused", "refused"])
    cluster.fault = lambda _: next(failures, "")
    compares = sweeps(cluster)
    before = found("instance")
    cluster.put(INSTANCE_PATH, cr())
    await compares.first()
    assert compares.synced
    assert found("instance") == before, "at the start everything is news, and nothing was lost"


async def test_an_api_server_that_is_busy_is_left_alone_for_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def attempt() -> None:
        if not slept:
            raise ApiUnavailableError("429", status=429, retry_after=20.0)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(patience.asyncio, "sleep", sleep)
    await patience.until_it_works("Not ready yet", attempt)
    assert 20.0 <= slept[0] <= 25.0


async def test_what_a_later_comparison_finds_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernel_operator.housekeeping.RELIST_SECONDS", 0)
    cluster = FakeCluster()
    compares = sweeps(cluster)
    await compares.first()
    before = found("instance")
    cluster.put(INSTANCE_PATH, cr())
    task = asyncio.create_task(compares.run())
    compares.want()
    await until("it is found", lambda: found("instance") > before)
    task.cancel()
    assert found("instance") == before + 1


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        pytest.param(ApiError(404, "NotFound", "no"), "is the CRD installed", id="404"),
        pytest.param(ApiError(403, "Forbidden", "no"), "the chart's RBAC", id="403"),
        pytest.param(ApiUnavailableError("no"), "no", id="no answer"),
    ],
)
def test_errors_come_with_advice(error: ApiError, advice: str) -> None:
    assert advice in patience.with_advice(error)


async def test_a_new_leader_compares_before_it_acts() -> None:
    """Once: a comparison that began after the moment is not repeated."""
    cluster = FakeCluster()
    compares = sweeps(cluster)
    await compares.first()
    listed = len(cluster.requests)
    moment = time.monotonic()
    await compares.since(moment)
    assert len(cluster.requests) == 2 * listed
    await compares.since(moment)
    assert len(cluster.requests) == 2 * listed


async def test_a_namespace_that_is_gone_does_not_keep_others_from_being_looked_after(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """elastic/cloud-on-k8s#7586: its Role went with it, and the operator was started anew."""
    cluster, seen = Forbidding("gone"), list[tuple[str, Key]]()
    cluster.put(INSTANCE_PATH, cr())
    compares = sweeps(cluster, "gone", "ns", take=lambda *what: seen.append(what))
    assert compares.unknown == {"gone", "ns"}
    await compares.first()
    assert (compares.synced, compares.unknown) == (True, {"gone"})
    assert ("instance", ("ns", "k1")) in seen
    await compares.since(time.monotonic())
    assert caplog.text.count("Namespace gone is left alone") == 1
    assert "cannot list" in caplog.text


async def test_a_namespace_that_can_be_listed_again_is_looked_at_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its watches told while nothing could be decided went unheard."""
    monkeypatch.setattr("kubernel_operator.housekeeping.RELIST_SECONDS", 0)
    cluster, seen = Forbidding(), list[tuple[str, Key]]()
    cluster.put(INSTANCE_PATH, cr())
    compares = sweeps(cluster, "ns", "other", take=lambda *what: seen.append(what))
    await compares.first()
    task = asyncio.create_task(compares.run())
    cluster.forbidden = {"ns"}
    compares.want()
    await until("it is left alone", lambda: compares.unknown == {"ns"})
    seen.clear()
    cluster.forbidden = set()
    compares.want()
    await until("it is looked after", lambda: not compares.unknown)
    task.cancel()
    assert seen == [("instance", ("ns", "k1"))]


async def test_where_nothing_can_be_listed_it_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0)
    cluster = Forbidding("a", "b")
    compares = sweeps(cluster, "a", "b")
    task = asyncio.create_task(compares.first())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not compares.synced
    cluster.forbidden = {"a"}
    await task
    assert compares.unknown == {"a"}
