"""The Lease that a process writes, and how long it lasts."""

import asyncio
from datetime import UTC, datetime

import pytest

from fixtures.fake_api_server import LEASE, LEASES, FakeApiServer, failure
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_provisioner.cluster import lease as lease_module
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.cluster.lease import Lease, build_lease, seconds_after


def test_build_lease() -> None:
    assert build_lease("5e54e5", 600, datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)) == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": "kubernel-server-5e54e5",
            "labels": {"kubernel.dev/server": "5e54e5", "app.kubernetes.io/managed-by": "kubernel"},
        },
        "spec": {
            "holderIdentity": "5e54e5",
            "leaseDurationSeconds": 600,
            "acquireTime": "2026-01-02T03:04:05.000678Z",
            "renewTime": "2026-01-02T03:04:05.000678Z",
        },
    }


def durations(server: FakeApiServer) -> list[int]:
    """How long it was said to last, request by request."""
    return [body["spec"]["leaseDurationSeconds"] for method, _, body in server.requests if method in ("POST", "PATCH")]


async def test_the_most_patient_kernel_decides(api: Api, server: FakeApiServer) -> None:
    server.answers["POST", LEASES], server.answers["PATCH", LEASE] = [(201, {})], [(200, {})]
    lease = Lease(api, "s", 60)
    await lease.create()
    for seconds in (60, 600, 30, 600):
        await lease.last(seconds)
    assert durations(server) == [60, 600]


async def test_a_lease_that_could_not_be_made_longer_is_asked_for_again(api: Api, server: FakeApiServer) -> None:
    server.answers["PATCH", LEASE] = [failure(403, "Forbidden"), (200, {})]
    lease = Lease(api, "s", 60)
    with pytest.raises(ApiError):
        await lease.last(600)
    await lease.last(600)
    assert (lease.seconds, durations(server)) == (600, [600, 600])


async def test_it_is_renewed_in_good_time_and_at_once_when_asked(
    api: Api, server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["PATCH", LEASE] = [(200, {})]
    waits: list[float] = []
    timeout = asyncio.timeout

    def note(seconds: float | None) -> asyncio.Timeout:
        waits.extend([] if seconds is None else [seconds])
        return timeout(None)

    monkeypatch.setattr(lease_module.asyncio, "timeout", note)
    lease = Lease(api, "s", 5)
    renewing = asyncio.create_task(lease.renew_for_ever())
    for renewals in (1, 2):
        lease.renew_soon()
        while len(durations(server)) < renewals:  # noqa: ASYNC110 - the request is on its way
            await asyncio.sleep(0.001)
    renewing.cancel()
    assert durations(server) == [5, 5]
    assert min(waits) < 5 / 3  # two of them may be lost; the others are the requests' own


async def test_a_namespace_that_is_made_again_has_it_again(
    api: Api, server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels that are started there afterwards name it; nothing that goes wrong meanwhile ends its renewals."""
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.001)
    monkeypatch.setattr(lease_module, "GONE_SECONDS", 0.001)
    gone = failure(404, "NotFound", kind="namespaces", name="jhub")
    server.answers["PATCH", LEASE] = [failure(404, "NotFound", kind="leases", name="kubernel-server-s")]
    server.answers["POST", LEASES] = [gone]
    lease = Lease(api, "s", 60)
    renewing = asyncio.create_task(lease.renew_for_ever())
    while len(server.calls()) < 4:  # noqa: ASYNC110 - the requests are on their way
        await asyncio.sleep(0.001)
    with pytest.raises(ApiError, match="NotFound"):
        await lease.last(60)
    server.answers["POST", LEASES] = [(201, {})]
    server.requests.clear()
    await server.asked("POST", LEASES)
    assert not renewing.done()
    renewing.cancel()


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ApiUnavailableError("connection refused"), 2.0),
        (ApiUnavailableError("429 TooManyRequests", status=429), 15.0),
        (ApiError(403, "Forbidden", "not yours"), 15.0),
        (ApiError(404, "NotFound", 'namespaces "jhub" not found'), 240.0),
        (OSError("no such file"), 15.0),
    ],
    ids=lambda value: str(value)[:3],
)
def test_only_who_does_not_answer_is_asked_again_soon(error: Exception, seconds: float) -> None:
    assert seconds_after(error) == seconds


async def test_a_kernel_in_a_namespace_that_was_gone_has_the_renewals_of_any_other(
    api: Api, server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do not wait for the next look at whether the namespace is there."""
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.001)
    server.answers["PATCH", LEASE] = [failure(404, "NotFound", kind="leases", name="kubernel-server-s")]
    server.answers["POST", LEASES] = [failure(404, "NotFound", kind="namespaces", name="jhub"), (201, {})]
    lease = Lease(api, "s", 60)
    renewing = asyncio.create_task(lease.renew_for_ever())
    await server.asked("POST", LEASES)
    await asyncio.sleep(0.01)  # it has its answer, and waits for minutes
    await lease.last(60)
    server.answers["PATCH", LEASE] = [(200, {})]
    server.requests.clear()
    await server.asked("PATCH", LEASE)
    renewing.cancel()


async def test_a_kernel_that_starts_does_not_wait_for_the_next_renewal(api: Api, server: FakeApiServer) -> None:
    missing = failure(404, "NotFound", kind="leases", name="kubernel-server-s")
    server.answers["PATCH", LEASE], server.answers["POST", LEASES] = [missing], [failure(403, "Forbidden"), (201, {})]
    lease = Lease(api, "s", 60)
    with pytest.raises(ApiError):
        await lease.last(600)
    await lease.last(60)
    await lease.last(60)
    assert server.calls() == [("PATCH", LEASE), ("POST", LEASES)] * 2
