"""Kernels live as long as their server renews its Lease, and clocks do not matter."""

import asyncio
import contextlib
from typing import Any

import pytest

from fixtures.fake_cluster import FakeCluster
from fixtures.objects import NOW, cr, pod, ready_status
from fixtures.operator_world import World
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator.clock import rfc3339_micro
from kubernel_operator.observe.cache import Cache
from kubernel_operator.server_leases import WORKERS, ServerLeases
from kubernel_provisioner.cluster.lease import IN_A_POD_SECONDS

LEASED = cr(created=NOW - 600, status=ready_status(), lifecycle={"leaseName": "server-1"})
KEY = ("ns", "server-1")
PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/server-1"


def lease(renewed: float, name: str = "server-1", namespace: str = "ns") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"lease {name}"},
        "spec": {"leaseDurationSeconds": 40, "renewTime": rfc3339_micro(renewed)},
    }


def pass_time(world: World, seconds: int, *, watching: bool = True, renewing: bool = False, clock: float = 0.0) -> None:
    """A look at the Lease and a pass each second; what fails is tried again.

    Args:
        world: where time passes.
        seconds: how many.
        watching: whether the watches work.
        renewing: whether the server renews its Lease, every 15 s.
        clock: seconds that the server's clock is ahead.
    """
    for second in range(seconds):
        if renewing and second % 15 == 0:
            world.cluster.put(PATH, lease(world.now + clock))
        if watching:
            world.watch()
        for step in (world.look, world.reconcile):
            with contextlib.suppress(ApiError, ApiUnavailableError):
                step()
        world.now += 1


@pytest.fixture
def leased(world: World) -> World:
    """A running kernel whose server has just renewed its Lease."""
    world.apply(LEASED)
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", pod())
    world.add_service()
    world.cluster.put(PATH, lease(NOW))
    world.watch()
    world.reconcile()
    world.cluster.requests.clear()
    return world


def is_alive(world: World) -> bool:
    return any("/kernelinstances/" in path for path in world.cluster.objects)


@pytest.mark.parametrize("ahead", [-300, -180, -61, 0, 61, 300])
def test_a_living_server_s_clock_does_not_matter(leased: World, ahead: float) -> None:
    pass_time(leased, 400, renewing=True, clock=ahead)
    assert is_alive(leased)
    assert ("list", "leases") not in leased.cluster.requests, "a Lease that is renewed is never asked for"


def test_ten_minutes_without_a_network_are_survived_with_a_margin(leased: World) -> None:
    """What a server in a pod asks for. Its last renewal was a while before the outage, the next is a while after it."""
    renewed = lease(NOW)
    renewed["spec"]["leaseDurationSeconds"] = IN_A_POD_SECONDS
    leased.cluster.put(PATH, renewed)
    pass_time(leased, 600 + 120)
    leased.cluster.put(PATH, {**renewed, "spec": {**renewed["spec"], "renewTime": rfc3339_micro(leased.now)}})
    pass_time(leased, 600)
    assert is_alive(leased)


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_server_s_clock_that_is_set_does_not_matter(leased: World, step: float) -> None:
    pass_time(leased, 100, renewing=True)
    pass_time(leased, 100, renewing=True, clock=step)
    pass_time(leased, 100, renewing=True)
    assert is_alive(leased)


@pytest.mark.parametrize("ahead", [-300, -61, 0, 61, 300])
def test_a_dead_server_s_clock_does_not_matter(leased: World, ahead: float) -> None:
    leased.cluster.put(PATH, lease(NOW + ahead))
    pass_time(leased, 59)
    assert is_alive(leased)
    pass_time(leased, 4)
    assert not is_alive(leased)


def test_a_dead_server_s_kernel_is_deleted_with_an_event(leased: World) -> None:
    pass_time(leased, 63)
    assert [p for p in leased.cluster.objects if "kernelinstances" in p or "pods" in p] == []
    (event,) = (o for p, o in leased.cluster.objects.items() if "/events/" in p)
    assert (event["reason"], event["type"], event["message"]) == (
        "Orphaned",
        "Warning",
        "Its server no longer renews its Lease.",
    )


def test_a_dead_server_s_kernel_that_may_not_be_deleted_says_both_once(leased: World) -> None:
    words = 'kernelinstances "k1" is forbidden: a policy'
    leased.cluster.refusals["delete kernelinstances"] = ApiError(403, "Forbidden", words)
    pass_time(leased, 90)
    events = [o for p, o in leased.cluster.objects.items() if "/events/" in p]
    assert [e["reason"] for e in events] == ["Orphaned", "APIError"]
    assert events[1]["message"].endswith("it is tried again: a policy")
    leased.cluster.refusals.clear()
    pass_time(leased, 1)
    assert not is_alive(leased)


def test_a_restarted_operator_gives_each_lease_one_full_duration(leased: World) -> None:
    leased.now += 3600
    leased.start_operator()
    pass_time(leased, 59)
    assert is_alive(leased)
    pass_time(leased, 4)
    assert not is_alive(leased)


def test_a_thousand_kernels_of_a_dead_server_are_two_requests(leased: World) -> None:
    for number in range(2, 1001):
        leased.apply(cr(name=f"k{number}", uid=f"uid {number}", lifecycle={"leaseName": "server-1"}))
    leased.watch()
    for _ in range(70):
        leased.look()
        leased.now += 1
    assert leased.cluster.requests == [("list", "leases")] * 2
    assert len(set(leased.woken)) == 1000


def test_an_outage_of_the_api_is_no_expiry(leased: World) -> None:
    """Two minutes without API and watches; the server renews its Lease 3 s after it is over."""
    leased.cluster.fault = lambda _: "refused"
    pass_time(leased, 120, watching=False)
    leased.cluster.fault = lambda _: ""
    pass_time(leased, 3)
    leased.cluster.put(PATH, lease(leased.now))
    pass_time(leased, 30)
    assert leased.instance()["status"]["phase"] == "Running"


def test_an_outage_between_the_two_questions_starts_anew(leased: World) -> None:
    pass_time(leased, 50)  # asked once
    leased.cluster.fault = lambda _: "refused"
    pass_time(leased, 60)
    leased.cluster.fault = lambda _: ""
    pass_time(leased, 15)
    leased.cluster.put(PATH, lease(leased.now))
    pass_time(leased, 30)
    assert leased.instance()["status"]["phase"] == "Running"


def test_a_renewal_that_the_watch_lost_is_found(leased: World) -> None:
    leased.now += 41
    leased.cluster.put(PATH, lease(leased.now))
    leased.look()
    leased.look()
    assert leased.cluster.requests == [("list", "leases")]
    pass_time(leased, 39, watching=False)
    assert is_alive(leased)


def test_a_lease_that_is_not_there_is_given_the_time_to_be_made(world: World) -> None:
    world.apply(cr(created=NOW, lifecycle={"leaseName": "server-1"}))
    world.watch()
    pass_time(world, 79)
    assert is_alive(world)
    pass_time(world, 4)
    assert not is_alive(world)


def test_a_lease_that_was_deleted_unseen(leased: World) -> None:
    """No watch tells, and the answer shows that there is none: it is given the time to be made again."""
    leased.cluster.remove(PATH)
    pass_time(leased, 119, watching=False)
    assert is_alive(leased)
    pass_time(leased, 6, watching=False)
    assert not is_alive(leased)


def test_a_server_that_slept_may_come_back_with_a_new_kernel(leased: World) -> None:
    """The new kernel's event may arrive before the renewal's."""
    pass_time(leased, 63)
    assert not is_alive(leased)
    leased.now += 60
    leased.apply(cr(uid="uid 2", created=leased.now, lifecycle={"leaseName": "server-1"}))
    leased.watch()
    leased.reconcile()
    leased.cluster.put(PATH, lease(leased.now))
    pass_time(leased, 30, renewing=True)
    assert is_alive(leased)


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


async def after_ten_minutes(cluster: FakeCluster, count: int, *ignored: str) -> list[str]:
    """Names of the Leases, which nothing goes by and nobody renews, that are left."""
    cache, now = Cache(), [0.0]
    leases = ServerLeases(cluster, cache, lambda _: None, lambda namespace: namespace in ignored, clock=lambda: now[0])  # type: ignore[arg-type]
    for number in range(count):
        path = f"/apis/coordination.k8s.io/v1/namespaces/ns/leases/server-{number}"
        cache.leases.put(cluster.put(path, lease(NOW, f"server-{number}")))
        leases.take(("ns", f"server-{number}"))
    work = asyncio.create_task(leases.run())
    for moment in (0.0, 641.0):
        now[0] = moment
        for number in range(count):
            leases.take(("ns", f"server-{number}"))
            leases.queue.add(("ns", f"server-{number}"))
        for _ in range(20 * count):
            await asyncio.sleep(0)
    work.cancel()
    return [path.rsplit("/", 1)[-1] for path in cluster.objects]


@pytest.mark.parametrize(("longest", "is_expired"), [(100, True), (0, False)], ids=["bounded", "as it asks for"])
async def test_a_lease_lasts_no_longer_than_the_admin_allows(longest: int, is_expired: bool) -> None:
    """A laptop asks for a day."""
    cluster, cache, now, key = FakeCluster(), Cache(), [0.0], ("ns", "server-1")
    leases = ServerLeases(cluster, cache, lambda _: None, clock=lambda: now[0], longest=longest)  # type: ignore[arg-type]
    laptop = lease(NOW)
    laptop["spec"]["leaseDurationSeconds"] = 86_400
    cache.leases.put(cluster.put("/apis/coordination.k8s.io/v1/namespaces/ns/leases/server-1", laptop))
    cache.instances.put(LEASED)
    for moment in (0.0, 101.0, 122.0):
        now[0] = moment
        await leases.look(key)
    assert leases.has_expired(key, known_since=0.0) is is_expired


async def test_a_lease_that_cannot_be_deleted_keeps_no_other_one(caplog: pytest.LogCaptureFixture) -> None:
    assert await after_ten_minutes(Refusing("server-1"), 3) == ["server-1"]
    assert "ns/server-1" in caplog.text
    assert "a policy keeps this Lease" in caplog.text
    assert len(caplog.records) == 1


async def test_leases_are_deleted_some_at_a_time() -> None:
    cluster = Refusing()
    assert await after_ten_minutes(cluster, 100) == []
    assert cluster.most_running == WORKERS


async def test_ignored_namespaces_keep_their_leases() -> None:
    assert await after_ten_minutes(FakeCluster(), 1, "ns") == ["server-0"]
