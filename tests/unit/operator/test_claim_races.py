"""Ten thousand claims at once: no member has two kernels, no kernel has two members, and none hears of another."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

import pytest

from fixtures.objects import cr
from fixtures.operator_world import World
from fixtures.pools import assert_none_is_anothers, filled, members, run_members, settle
from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.constants import ANNOTATION_POOL
from kubernel_cluster.errors import ClusterError

CLAIMS, MEMBERS, ROUND = 10_000, 100, 2_500


def claim_all(world: World, names: list[str], passes: int = 2) -> None:
    """Passes over all of these at the same time, and the questions to pods that come of them."""

    async def all_of_them() -> None:
        await asyncio.gather(*(claim(world, name, passes) for name in names))

    asyncio.run(all_of_them())


async def claim(world: World, name: str, passes: int) -> None:
    """Passes over one, and beside each the question to its pod; what fails is tried again by the next pass."""
    key = ("ns", name)
    for _ in range(passes):
        passing = asyncio.create_task(world.reconciler.reconcile(key))
        while not passing.done():
            await asyncio.sleep(0)
            await world.reconciler.questions.ask(key)
        with contextlib.suppress(ClusterError):
            await passing


def end_all(world: World) -> None:
    """All KernelInstances are deleted, and what was theirs is collected."""
    gone = {f"uid-k{number}" for number in range(CLAIMS)}
    world.cluster.objects = {
        path: obj
        for path, obj in world.cluster.objects.items()
        if obj["metadata"]["uid"] not in gone
        and not any(owner["uid"] in gone for owner in obj["metadata"].get("ownerReferences") or [])
    }
    world.watch()


@pytest.mark.timeout(900)  # half a minute of CPU, on machines that do ten other things
def test_ten_thousand_claims_race_for_the_members_of_a_pool() -> None:
    world = World()
    filled(world, replicas=MEMBERS)
    owners: dict[str, str] = {}
    kinds: Counter[str] = Counter()
    for start in range(0, CLAIMS, ROUND):
        names = [f"k{number}" for number in range(start, start + ROUND)]
        for name in names:
            env = [{"name": "WHO", "value": name}]
            world.apply(cr(name=name, uid=f"uid-{name}", env=env, connection={"service": "None"}))
        world.watch()
        claim_all(world, names)
        for pod in members(world):
            (owner,) = pod["metadata"]["ownerReferences"]
            if owner["kind"] == "KernelInstance":
                assert owners.setdefault(pod["metadata"]["uid"], owner["uid"]) == owner["uid"]
        for pod in world.pods():
            kinds["warm" if ANNOTATION_POOL in pod["metadata"]["annotations"] else "cold"] += (
                pod["metadata"]["ownerReferences"][0]["kind"] == "KernelInstance"
            )
        end_all(world)  # so that the next round is as fast as the first one
        claim_all(world, names, passes=1)  # forgets them
        settle(world)
    assert len(set(owners.values())) == len(owners) == kinds["warm"] == MEMBERS * CLAIMS // ROUND
    assert kinds["warm"] + kinds["cold"] == CLAIMS, "each has one pod"
    assert len(world.supervisors.told) == len(owners)
    for claim, told in world.supervisors.told:
        assert told["env"] == {"WHO": claim.removeprefix("uid-")}
    keys = [told["keys"]["key"] for _, told in world.supervisors.told]
    assert len(set(keys)) == len(keys)


def test_two_leaders_race_for_the_same_members() -> None:
    """One was paused and has not found out: API server and supervisors may each believe another one of them."""
    world, names = World(), [f"k{number}" for number in range(60)]
    world.supervisors.spares = True
    filled(world, replicas=40)
    other = World()
    other.cluster, other.supervisors, other.now = world.cluster, world.supervisors, world.now
    other.start_operator()
    other.fill()
    for name in names:
        world.apply(cr(name=name, uid=f"uid-{name}", connection={"service": "None"}))
    for each in (world, other):
        each.watch()

    async def both() -> None:
        # In opposite order, so that both choose one member for different kernels.
        await asyncio.gather(
            *(claim(world, name, 2) for name in names), *(claim(other, name, 2) for name in reversed(names))
        )

    asyncio.run(both())
    told = [claim for claim, _ in world.supervisors.told]
    assert 0 < len(told) == len(world.supervisors.keys) <= 40, "each supervisor was told once"
    for _ in range(8):  # one of them leads from now on
        run_members(world)
        world.watch()
        claim_all(world, names)
        world.now += 2
        world.fill()
    assert_none_is_anothers(world)
    warm = 0
    for name in names:
        instance = world.instance(name)
        status = instance.get("status") or {}
        if is_true(status, ConditionType.READY) and status["start"]["type"] == "Warm":
            warm += 1
            (pod,) = (p for p in members(world) if p["metadata"]["name"] == status["podName"])
            (secret,) = (o for p, o in world.cluster.objects.items() if f"/secrets/{name}-" in p and "key" in o["data"])
            assert world.supervisors.keys[pod["status"]["podIP"]] == secret["stringData"]["key"]
    assert warm > 0
