"""What runs beside the passes goes on, whatever a single object does."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from fixtures.fake_cluster import FakeCluster
from fixtures.objects import cr
from fixtures.waiting import until
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator import patience
from kubernel_operator.act import lease_cleanup
from kubernel_operator.housekeeping import LeaseHousekeeping, Sweeps
from kubernel_operator.observe.cache import Cache

LEASES = "/apis/coordination.k8s.io/v1/namespaces"
INSTANCE_PATH = "/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/k1"


class Refusing(FakeCluster):
    """Refuses to delete some Leases, and counts how many deletions run at once."""

    def __init__(self, *kept: str) -> None:
        super().__init__()
        self.kept = kept
        self.running = self.most_running = 0

    async def delete(self, path: str, *, uid: str | None = None) -> None:
        if path.rsplit("/", 1)[-1] in self.kept:
            raise ApiError(403, "Forbidden", "a policy keeps this Lease")
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await super().delete(path, uid=uid)
        self.running -= 1


def with_leases(cluster: FakeCluster, count: int, namespace: str = "ns") -> Cache:
    """A cache of Leases that were last renewed long ago."""
    cache = Cache()
    for number in range(count):
        metadata = {"name": f"server-{number}", "namespace": namespace, "uid": f"{namespace}-{number}"}
        spec = {"renewTime": "2020-01-01T00:00:00.000000Z", "leaseDurationSeconds": 60}
        lease: dict[str, Any] = {"metadata": metadata, "spec": spec}
        cache.leases.put(cluster.put(f"{LEASES}/{namespace}/leases/{metadata['name']}", lease))
    return cache


def housekeeping(cluster: FakeCluster, cache: Cache, *ignored: str) -> LeaseHousekeeping:
    return LeaseHousekeeping(cluster, cache, lambda namespace: namespace in ignored, 300)  # type: ignore[arg-type]


async def test_a_lease_that_cannot_be_deleted_keeps_no_other_one(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Refusing("server-1")
    await housekeeping(cluster, with_leases(cluster, 3)).once()
    assert [path.rsplit("/", 1)[-1] for path in cluster.objects] == ["server-1"]
    assert "ns/server-1" in caplog.text
    assert "a policy keeps this Lease" in caplog.text


async def test_leases_are_deleted_some_at_a_time() -> None:
    cluster = Refusing()
    await housekeeping(cluster, with_leases(cluster, 100)).once()
    assert (len(cluster.objects), cluster.most_running) == (0, lease_cleanup.CONCURRENT_DELETES)


async def test_ignored_namespaces_keep_their_leases() -> None:
    cluster = FakeCluster()
    await housekeeping(cluster, with_leases(cluster, 1, "theirs"), "theirs").once()
    assert len(cluster.objects) == 1


def sweeps(cluster: FakeCluster) -> Sweeps:
    return Sweeps(cluster, (), Cache(), lambda *_: None, 3600)  # type: ignore[arg-type]


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
