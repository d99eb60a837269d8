"""Pools with a cluster in memory: how many members wait, and what becomes of those that go wrong."""

from __future__ import annotations

import pytest

from fixtures.objects import cr
from fixtures.operator_world import World
from fixtures.pools import apply_pool, filled, members, run_members, settle, start
from kubernel_api.conditions import ConditionType, is_true
from kubernel_cluster.errors import ApiError


def test_a_pool_is_filled(world: World) -> None:
    filled(world, replicas=3)
    path = "/apis/kubernel.dev/v1beta1/namespaces/ns/kernelpools/pool"
    status = world.cluster.objects[path]["status"]
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (3, 3, 3)
    assert is_true(status, ConditionType.READY)
    assert status["selector"] == "kubernel.dev/pool=pool"
    writes = len(world.cluster.writes())
    settle(world)
    assert len(world.cluster.writes()) == writes, "at rest, nothing is written"


def test_the_pool_is_filled_again_a_second_after_a_claim(world: World) -> None:
    filled(world)
    world.apply(cr(connection={"service": "None"}))
    start(world, seconds=0.02)
    world.fill()
    assert len(members(world)) == 2, "what is new in the cluster is the kernel's for now"
    world.now += 1
    settle(world)
    assert len(members(world)) == 3


def test_kernels_that_start_go_first(world: World) -> None:
    filled(world, replicas=0)
    for name in ("k1", "k2", "k3"):
        world.apply(cr(name=name, uid=name, connection={"service": "None"}))
    world.watch()
    for name in ("k1", "k2", "k3"):
        world.reconcile(("ns", name))
    apply_pool(world, replicas=10, maxStarting=3)
    for _ in range(3):
        world.watch()
        world.fill()
    assert len(members(world)) == 1, "one is made, however many kernels are on their way"


def test_a_member_that_died_is_replaced(world: World) -> None:
    filled(world)
    dead = members(world)[0]
    ended = [{"name": "kernel", "state": {"terminated": {"exitCode": 137}}}]
    world.change_pod(dead, phase="Failed", podIP="", containerStatuses=ended)
    settle(world)
    assert len(members(world)) == 2
    assert dead["metadata"]["name"] not in {m["metadata"]["name"] for m in members(world)}


def test_members_that_die_young_are_made_ever_more_seldom(world: World) -> None:
    filled(world, replicas=1)
    made = set()
    for _ in range(60):  # two minutes
        for pod in members(world):
            made.add(pod["metadata"]["name"])
            ended = [{"name": "kernel", "state": {"terminated": {"exitCode": 137}}}]
            world.change_pod(pod, phase="Failed", podIP="", containerStatuses=ended)
        world.watch()
        world.fill()
        run_members(world)
        world.fill()
        world.now += 2
    assert len(made) <= 9


def test_a_member_that_hangs_is_replaced(world: World) -> None:
    filled(world)
    hanging = members(world)[0]
    del world.supervisors.status[hanging["status"]["podIP"]]
    for _ in range(4):
        world.now += 61
        settle(world)
    assert hanging["metadata"]["name"] not in {m["metadata"]["name"] for m in members(world)}
    assert len(members(world)) == 2


def test_a_member_that_got_its_node_late_has_time_to_start(world: World) -> None:
    apply_pool(world, replicas=1)
    world.watch()
    world.fill()
    (pod,) = members(world)
    world.now += 590
    pod = {**pod, "spec": {**pod["spec"], "nodeName": "node1"}}
    world.change_pod(pod, phase="Pending")
    for _ in range(2):
        world.watch()
        world.fill()
        world.now += 300
    assert [m["metadata"]["name"] for m in members(world)] == [pod["metadata"]["name"]]
    world.now += 300
    world.fill()
    assert [m["metadata"]["name"] for m in members(world)] != [pod["metadata"]["name"]]


def test_another_image_replaces_members_gently(world: World) -> None:
    filled(world, replicas=2)
    old = {m["metadata"]["name"] for m in members(world)}
    apply_pool(world, replicas=2, image="example.org/kernel:2", maxStarting=1)
    world.watch()
    world.fill()
    assert old <= {m["metadata"]["name"] for m in members(world)}, "nothing goes before a new one is ready"
    for _ in range(4):
        settle(world)
        assert len(members(world)) >= 2
    assert not old & {m["metadata"]["name"] for m in members(world)}


def test_fewer_are_wanted(world: World) -> None:
    filled(world, replicas=3)
    apply_pool(world, replicas=1)
    settle(world)
    assert len(members(world)) == 1


def test_a_pool_that_a_finalizer_keeps_has_no_members(world: World) -> None:
    filled(world, replicas=2)
    path = "/apis/kubernel.dev/v1beta1/namespaces/ns/kernelpools/pool"
    pool = world.cluster.objects[path]
    gone = {"deletionTimestamp": "2027-01-15T08:00:00Z", "finalizers": ["example.org/keep"]}
    world.cluster.put(path, {**pool, "metadata": {**pool["metadata"], **gone}})
    settle(world)
    assert members(world) == []
    said, _ = world.cluster.objects[path]["status"]["conditions"]
    assert (said["status"], said["reason"]) == ("False", "Deleted")
    assert said["message"] == "The pool was deleted; its finalizers keep the object: example.org/keep."


def test_no_more_start_at_once_than_may(world: World) -> None:
    apply_pool(world, replicas=10, maxStarting=2)
    for _ in range(3):
        world.watch()
        world.fill()
    assert len(members(world)) == 2


@pytest.mark.parametrize(
    ("said", "reason", "stalled"),
    [("exceeded quota: pods", "QuotaExceeded", "False"), ("no PriorityClass", "Forbidden", "True")],
)
def test_a_refusal_is_said_and_not_repeated_at_once(world: World, said: str, reason: str, stalled: str) -> None:
    """Helm and others that go by kstatus give up what is Stalled, and wait for the rest."""
    world.cluster.refusals["pods"] = ApiError(403, "Forbidden", said)
    apply_pool(world, replicas=2)
    world.watch()
    world.fill()
    world.fill()
    status = world.cluster.objects["/apis/kubernel.dev/v1beta1/namespaces/ns/kernelpools/pool"]["status"]
    assert [c["status"] for c in status["conditions"]] == ["False", stalled]
    assert {c["reason"] for c in status["conditions"]} == {reason}
    assert len([r for r in world.cluster.requests if r == ("create", "pods")]) <= 2
    world.cluster.refusals.clear()
    world.now += 10
    settle(world)
    assert len(members(world)) == 2


def test_a_kubelet_that_was_faster_than_the_secret_looks_again_at_once(world: World) -> None:
    apply_pool(world, replicas=1)
    world.watch()
    world.fill()
    (pod,) = members(world)
    missing = {"reason": "CreateContainerConfigError", "message": 'secret "pool-x-0123" not found'}
    world.change_pod(pod, phase="Pending", containerStatuses=[{"name": "kernel", "state": {"waiting": missing}}])

    def wakes() -> int:
        return world.cluster.writes().count(("patch", "pods"))

    world.watch()
    for seconds, times in ((0, 1), (0, 1), (1, 2), (1, 3)):
        world.now += seconds
        world.fill()
        assert wakes() == times
    run_members(world)
    world.change_pod(members(world)[0], **members(world)[0]["status"] | {"phase": "Running", "containerStatuses": []})
    world.watch()
    world.now += 2
    world.fill()
    assert wakes() == 3, "it runs"
