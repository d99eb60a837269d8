"""What runs beside the passes goes on, whatever a single object does."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY

from fixtures.fake_cluster import FakeCluster
from fixtures.objects import cr
from fixtures.waiting import until
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator import patience
from kubernel_operator.housekeeping import Sweeps
from kubernel_operator.observe.cache import Cache

INSTANCE_PATH = "/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/k1"


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
