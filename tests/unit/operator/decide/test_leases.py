"""Whether a kernel's server lives."""

import contextlib
from typing import Any

import pytest

from fixtures.objects import NOW, UID, cr, pod, ready_status
from fixtures.operator_world import World
from kubernel_cluster.errors import ApiUnavailableError
from kubernel_operator.clock import rfc3339, rfc3339_micro
from kubernel_operator.decide.leases import abandoned_leases, lease_view
from kubernel_operator.observe.observed import LeaseState, LeaseView, Memory

LEASED = cr(created=NOW - 600, status=ready_status(), lifecycle={"leaseName": "server-1"})
PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/server-1"
ASK = LeaseView(LeaseState.UNKNOWN, read_due=True)


def lease(renewed: float | None, seconds: int | None = 40) -> dict[str, Any]:
    spec: dict[str, Any] = {} if seconds is None else {"leaseDurationSeconds": seconds}
    if renewed is not None:
        spec["renewTime"] = rfc3339_micro(renewed)
    created = rfc3339(NOW - 50)
    return {
        "metadata": {"name": "server-1", "namespace": "ns", "uid": "lease", "creationTimestamp": created},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("instance", "found", "view"),
    [
        pytest.param(cr(), lease(0), LeaseView(), id="none named"),
        pytest.param(LEASED, lease(NOW - 39), LeaseView(LeaseState.VALID, NOW + 1), id="renewed in time"),
        pytest.param(LEASED, lease(NOW - 40), ASK, id="not renewed in time"),
        pytest.param(LEASED, lease(NOW - 59, None), LeaseView(LeaseState.VALID, NOW + 1), id="default duration"),
        pytest.param(LEASED, lease(None), ASK, id="never renewed, created too long ago"),
        pytest.param(LEASED, lease(None, 60), LeaseView(LeaseState.VALID, NOW + 10), id="never renewed, new"),
        pytest.param(LEASED, None, ASK, id="deleted"),
        pytest.param(
            cr(created=NOW - 59, lifecycle={"leaseName": "server-1"}),
            None,
            LeaseView(LeaseState.VALID, NOW + 1),
            id="not there yet",
        ),
    ],
)
def test_first_look(instance: dict[str, Any], found: dict[str, Any] | None, view: LeaseView) -> None:
    assert lease_view(instance, found, Memory(UID, NOW), NOW) == view


@pytest.mark.parametrize(
    ("since", "read", "view"),
    [
        pytest.param(NOW - 19, NOW - 19, LeaseView(LeaseState.UNKNOWN, NOW + 1), id="asked once, wait"),
        pytest.param(NOW - 20, NOW - 20, ASK, id="ask again"),
        pytest.param(NOW - 20, NOW, LeaseView(LeaseState.EXPIRED), id="asked twice"),
    ],
)
def test_expired_in_the_cache(since: float, read: float, view: LeaseView) -> None:
    memory = Memory(UID, NOW, lease_expired_since=since, lease_expired_read=read)
    assert lease_view(LEASED, lease(NOW - 600), memory, NOW) == view


def test_a_renewal_clears_all_doubts() -> None:
    memory = Memory(UID, NOW, lease_expired_since=NOW - 19, lease_expired_read=NOW - 19)
    assert lease_view(LEASED, lease(NOW), memory, NOW) == LeaseView(LeaseState.VALID, NOW + 40)
    assert lease_view(LEASED, lease(NOW), memory, NOW + 40) == ASK


def passes(world: World, seconds: int, *, watching: bool = True) -> None:
    """A pass each second; what fails is tried again."""
    for _ in range(seconds):
        with contextlib.suppress(ApiUnavailableError):
            world.reconcile()
        if watching:
            world.watch()
        world.now += 1


@pytest.fixture
def leased(world: World) -> World:
    """A running kernel whose server has just renewed its Lease."""
    world.apply(LEASED)
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", pod())
    world.cluster.put(PATH, lease(NOW))
    world.watch()
    world.reconcile()
    return world


def test_a_dead_server_s_kernel_is_deleted_with_an_event(leased: World) -> None:
    passes(leased, 59)
    assert "k1" in str(leased.cluster.objects.keys())
    passes(leased, 4)
    assert [p for p in leased.cluster.objects if "kernelinstances" in p or "pods" in p] == []
    (event,) = (o for p, o in leased.cluster.objects.items() if "/events/" in p)
    assert (event["reason"], event["type"], event["message"]) == (
        "Orphaned",
        "Warning",
        "Its server no longer renews its Lease.",
    )


def test_an_outage_of_the_api_is_no_expiry(leased: World) -> None:
    """A minute without API and watches; the server renews its Lease 3 s after it is over."""
    leased.cluster.fault = lambda _: "refused"
    passes(leased, 120, watching=False)
    leased.cluster.fault = lambda _: ""
    passes(leased, 3)
    leased.cluster.put(PATH, lease(leased.now))
    passes(leased, 30)
    assert leased.instance()["status"]["phase"] == "Running"


def test_an_outage_between_the_two_questions_starts_anew(leased: World) -> None:
    passes(leased, 50)  # asked once
    leased.cluster.fault = lambda _: "refused"
    passes(leased, 60)
    leased.cluster.fault = lambda _: ""
    passes(leased, 15)
    leased.cluster.put(PATH, lease(leased.now))
    passes(leased, 30)
    assert leased.instance()["status"]["phase"] == "Running"


def test_a_renewal_that_the_watch_lost_is_found(leased: World) -> None:
    leased.now += 41
    leased.cluster.put(PATH, lease(leased.now))
    leased.reconcile()
    leased.reconcile()
    assert leased.cluster.requests == [("list", "leases")]


@pytest.mark.parametrize(
    ("renewed", "instances", "abandoned"),
    [
        pytest.param(NOW - 641, [], True, id="ran out ten minutes ago"),
        pytest.param(NOW - 639, [], False, id="ran out less than ten minutes ago"),
        pytest.param(NOW - 9999, [LEASED], False, id="still named by a kernel"),
        pytest.param(NOW - 9999, [cr()], True, id="kernel without a Lease"),
    ],
)
def test_abandoned_leases(renewed: float, instances: list[dict[str, Any]], abandoned: bool) -> None:
    found = lease(renewed)
    assert abandoned_leases([found], instances, NOW) == ([found] if abandoned else [])
