"""Who leads: candidates, an API server in memory, and a clock that jumps."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fixtures.fake_cluster import FakeCluster
from fixtures.jumping_loop import run_jumping
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator.act.election import LEASE_SECONDS, POLL_SECONDS, RENEW_DEADLINE_SECONDS, Election

PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases/operator"
Json = dict[str, Any]


def now() -> float:
    """Seconds on the clock that jumps."""
    return asyncio.get_running_loop().time()


class Line:
    """One candidate's connection to the API server.

    Attributes:
        fault: "" none, "refused", "lost" (carried out, no answer), "hangs", "forbidden".
        seconds: that a request takes.
    """

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.fault = ""
        self.seconds = 0.01

    async def get(self, path: str) -> Json:
        return await self._send(lambda: self.cluster.get(path))

    async def create(self, path: str, body: Json) -> Json:
        return await self._send(lambda: self.cluster.create(path, body))

    async def merge_patch(self, path: str, body: Json) -> Json:
        return await self._send(lambda: self.cluster.merge_patch(path, body))

    async def _send(self, request: Callable[[], Awaitable[Json]]) -> Json:
        fault = self.fault
        if fault in {"refused", "hangs", "forbidden"}:
            await asyncio.sleep(1e9 if fault == "hangs" else self.seconds)
            raise ApiError(403, "Forbidden", "no") if fault == "forbidden" else ApiUnavailableError("refused")
        await asyncio.sleep(self.seconds)
        answer = await request()
        if fault == "lost":
            raise ApiUnavailableError("the answer was lost")
        return answer


class Candidate:
    """An operator that takes part."""

    def __init__(self, cluster: FakeCluster, identity: str) -> None:
        self.line = Line(cluster)
        self.skew = 0.0
        clock = lambda: now() + self.skew  # noqa: E731
        self.election = Election(self.line, "system", "operator", identity, clock)  # type: ignore[arg-type]
        self.task = asyncio.create_task(self.election.run())

    def crash(self) -> None:
        """It is gone, without a word."""
        self.line.fault = "refused"
        self.task.cancel()

    async def stop(self) -> None:
        """SIGTERM."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def leads(self) -> float:
        """Seconds until it led."""
        began = now()
        while not self.election.leads():  # noqa: ASYNC110 - exactly, and not when its tasks notice
            await asyncio.sleep(0.01)
        return now() - began


def virtual(test: Callable[[FakeCluster], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Runs a test in a loop whose clock jumps, with an API server in memory."""

    def run() -> None:
        run_jumping(test(FakeCluster()))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def lease(cluster: FakeCluster) -> Json:
    spec: Json = cluster.objects[PATH]["spec"]
    return spec


@virtual
async def test_the_first_one_makes_the_lease_and_leads(cluster: FakeCluster) -> None:
    first, second = Candidate(cluster, "a"), Candidate(cluster, "b")
    assert await first.leads() < 1
    await second.election.asked()
    await asyncio.sleep(100)
    assert (first.election.leads(), second.election.leads()) == (True, False)
    assert (second.election.holder, second.election.problem) == ("a", "")
    assert (lease(cluster)["holderIdentity"], lease(cluster)["leaseTransitions"]) == ("a", 0)


@virtual
async def test_a_lease_that_a_chart_made_is_taken(cluster: FakeCluster) -> None:
    cluster.put(PATH, {"metadata": {"name": "operator", "uid": "1"}})
    assert await Candidate(cluster, "a").leads() < 1


@virtual
async def test_a_leader_that_was_killed_is_replaced_in_time(cluster: FakeCluster) -> None:
    first, second = Candidate(cluster, "a"), Candidate(cluster, "b")
    await first.leads()
    await asyncio.sleep(60.5)
    first.crash()
    assert LEASE_SECONDS - 3 < await second.leads() < LEASE_SECONDS + 2 * POLL_SECONDS
    assert lease(cluster)["leaseTransitions"] == 1


@virtual
async def test_a_leader_that_stops_gives_the_lease_back(cluster: FakeCluster) -> None:
    first, second = Candidate(cluster, "a"), Candidate(cluster, "b")
    await first.leads()
    await second.election.asked()
    await first.stop()
    assert not first.election.leads()
    assert await second.leads() <= POLL_SECONDS + 0.1


@virtual
async def test_a_leader_that_stops_while_it_renews_gives_the_lease_back(cluster: FakeCluster) -> None:
    """The renewal was carried out, and nobody heard the answer: what it knows of the Lease is old."""
    first, second = Candidate(cluster, "a"), Candidate(cluster, "b")
    await first.leads()
    await second.election.asked()
    cluster.put(PATH, cluster.objects[PATH])
    await first.stop()
    assert await second.leads() <= POLL_SECONDS + 0.1


@virtual
async def test_one_that_comes_back_under_its_name_leads_at_once(cluster: FakeCluster) -> None:
    first = Candidate(cluster, "a")
    await first.leads()
    first.crash()
    again = Candidate(cluster, "a")
    assert await again.leads() < 1
    assert not again.election.unbroken, "it has no memory of its own"


@virtual
async def test_times_in_the_lease_are_not_believed(cluster: FakeCluster) -> None:
    """Another machine's clock may be wrong by hours; only changes that were seen here count."""
    spec = {"holderIdentity": "old", "renewTime": "1999-01-01T00:00:00.000000Z", "leaseDurationSeconds": 12}
    cluster.put(PATH, {"metadata": {"name": "operator", "uid": "1"}, "spec": spec})
    assert LEASE_SECONDS - 1 < await Candidate(cluster, "a").leads() < LEASE_SECONDS + 2 * POLL_SECONDS


@pytest.mark.parametrize("fault", ["refused", "lost", "hangs", "forbidden"])
def test_a_leader_that_cannot_renew_stops_before_another_one_starts(fault: str) -> None:
    async def test() -> None:
        cluster = FakeCluster()
        first, second = Candidate(cluster, "a"), Candidate(cluster, "b")
        await first.leads()
        await asyncio.sleep(60)
        first.line.fault = fault
        if fault == "lost":  # its renewals arrive, but it does not know
            await asyncio.sleep(RENEW_DEADLINE_SECONDS + 1)
            assert not first.election.leads()
            assert first.election.lost.is_set()
            return
        while first.election.leads():
            assert not second.election.leads()
            await asyncio.sleep(0.01)
        assert await second.leads() > 1, "writes that are on their way have time to arrive"
        assert first.election.lost.is_set()

    run_jumping(test())


@virtual
async def test_a_paused_leader_knows_at_its_first_write(cluster: FakeCluster) -> None:
    first = Candidate(cluster, "a")
    await first.leads()
    first.skew = RENEW_DEADLINE_SECONDS  # all its timers are late
    assert not first.election.leads()
    assert first.election.won.is_set(), "its tasks have not noticed"


@virtual
async def test_somebody_annotates_the_lease(cluster: FakeCluster) -> None:
    first = Candidate(cluster, "a")
    await first.leads()
    for _ in range(10):
        cluster.put(PATH, cluster.objects[PATH])
        await asyncio.sleep(3)
        assert first.election.leads()
    assert not first.election.lost.is_set()


@virtual
async def test_somebody_deletes_the_lease(cluster: FakeCluster) -> None:
    first, second = Candidate(cluster, "a"), Candidate(cluster, "b")
    await first.leads()
    cluster.remove(PATH)
    await asyncio.sleep(30)
    assert first.election.leads() != second.election.leads()
    assert lease(cluster)["holderIdentity"] in {"a", "b"}


@virtual
async def test_after_an_outage_without_another_leader_the_term_is_unbroken(cluster: FakeCluster) -> None:
    first = Candidate(cluster, "a")
    await first.leads()
    assert not first.election.unbroken
    first.line.fault = "refused"
    await first.election.lost.wait()
    first.line.fault = ""
    await first.leads()
    assert first.election.unbroken


@pytest.mark.parametrize("fault", ["", "lost"])
def test_after_another_leader_the_term_is_not_unbroken(fault: str) -> None:
    """Also where the answer to the first write of the new term was lost."""

    async def test() -> None:
        cluster = FakeCluster()
        first, second = Candidate(cluster, "a"), Candidate(cluster, "b")
        await first.leads()
        first.line.fault = "refused"
        await second.leads()
        await second.stop()
        first.line.fault = fault
        await asyncio.sleep(POLL_SECONDS + 0.5)
        first.line.fault = ""
        await first.leads()
        assert not first.election.unbroken

    run_jumping(test())


@virtual
async def test_what_keeps_it_from_taking_part_is_told(cluster: FakeCluster) -> None:
    candidate = Candidate(cluster, "a")
    candidate.line.fault = "forbidden"
    await candidate.election.asked()
    assert not candidate.election.knows
    assert candidate.election.problem == "Lease system/operator: 403 Forbidden: no"


@contextmanager
def never_two(candidates: list[Candidate]) -> Iterator[list[str]]:
    """Watches all the time that at most one leads; gives the leaders in order."""
    leaders: list[str] = []

    async def watch() -> None:
        while True:
            leading = [c.election._identity for c in candidates if c.election.leads()]
            assert len(leading) <= 1, (now(), leading)
            leaders.extend(name for name in leading if leaders[-1:] != [name])
            await asyncio.sleep(0.1)

    task = asyncio.create_task(watch())
    yield leaders
    assert not task.done(), task.exception()
    task.cancel()


@pytest.mark.parametrize("seed", range(5))
def test_never_two_leaders(seed: int) -> None:
    """Three candidates whose connections break at random for an hour."""
    chance = random.Random(seed)

    async def test() -> None:
        cluster = FakeCluster()
        candidates = [Candidate(cluster, name) for name in "abc"]
        with never_two(candidates) as leaders:
            for _ in range(150):
                broken = chance.choice(candidates)
                broken.line.fault = chance.choice(["", "", "refused", "lost", "hangs"])
                broken.line.seconds = chance.choice([0.01, 0.01, 0.5, 3.0, 6.0])
                await asyncio.sleep(chance.uniform(0, 40))
        assert len(leaders) > 10, "it was a test of changes"

    run_jumping(test())
