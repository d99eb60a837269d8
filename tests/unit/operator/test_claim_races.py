"""Ten thousand claims at once: no member has two kernels, no kernel has two members, and none hears of another."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from fixtures.objects import cr
from fixtures.operator_world import World
from fixtures.pools import filled, members, settle
from kubernel_api.constants import ANNOTATION_POOL

CLAIMS, MEMBERS, ROUND = 10_000, 100, 2_500


def claim_all(world: World, names: list[str], passes: int = 2) -> None:
    """Passes over all of these at the same time, and the questions to pods that come of them."""

    async def one(name: str) -> None:
        key = ("ns", name)
        for _ in range(passes):
            await world.reconciler.reconcile(key)
            await world.reconciler.questions.ask(key)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(name) for name in names))

    asyncio.run(all_of_them())


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
