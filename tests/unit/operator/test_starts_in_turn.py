"""Kernels that wait for their turn to start. The cluster is one in memory."""

import pytest

from fixtures.callbacks import callback
from fixtures.objects import cr
from fixtures.operator_world import World
from fixtures.pools import filled
from kubernel_cluster.errors import ApiError
from kubernel_operator.verdict import Verdict


def look(world: World, *names: str) -> None:
    """A pass over each, which knows what is in the cluster."""
    world.watch()
    for name in names:
        world.reconcile(("ns", name))
    world.watch()


def names_of_pods(world: World) -> list[str]:
    return [pod["metadata"]["name"] for pod in world.pods()]


def become_ready(world: World, name: str) -> None:
    """The kernel in its first pod answers."""
    told = callback(secret=f"ns/{name}-{name}", pod=f"{name}-1")
    assert world.reconciler.take_callback(told) is Verdict.TAKEN
    look(world, name)
    assert world.instance(name)["status"]["phase"] == "Running"


@pytest.fixture
def class_of_four(world: World) -> World:
    """Two may start at the same time."""
    world.starts_at_once = 2
    for name in ("k1", "k2", "k3", "k4"):
        world.apply(cr(name=name, uid=name, created=world.now, connection={"service": "None"}))
    look(world, "k1", "k2", "k3", "k4")
    return world


def test_only_as_many_pods_are_made_as_may_start(class_of_four: World) -> None:
    world = class_of_four
    assert names_of_pods(world) == ["k1-1", "k2-1"]
    look(world, "k4", "k3", "k4")
    assert names_of_pods(world) == ["k1-1", "k2-1"]
    become_ready(world, "k2")
    look(world, "k4", "k3")
    assert names_of_pods(world) == ["k1-1", "k2-1", "k3-1"], "k3 came first"


def test_who_waits_is_told_after_a_second(class_of_four: World) -> None:
    world = class_of_four
    assert "status" not in world.instance("k3")
    world.now += 1.1
    look(world, "k3")
    status = world.instance("k3")["status"]
    assert (status["phase"], status["reason"]) == ("Pending", "Queued")
    assert status["message"] == (
        "As many kernels are starting as may at a time (maxStarting: 2); this one waits for its turn."
    )


def test_who_waits_in_vain_is_told_for_what(class_of_four: World) -> None:
    world = class_of_four
    world.now += 1.1
    look(world, "k3")
    world.now += 300
    look(world, "k3")
    status = world.instance("k3")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "StartTimeout")
    assert "waits for its turn. Given up after 300 s." in status["message"]
    assert world.reconciler.turns.waiting == 1, "k4"


def test_what_is_refused_keeps_nobody_waiting(world: World) -> None:
    world.starts_at_once = 1
    for name in ("k1", "k2"):
        world.apply(cr(name=name, uid=name, connection={"service": "None"}))
    world.cluster.refusals["pods"] = ApiError(403, "Forbidden", 'pods "k1-1" is forbidden: exceeded quota: small')
    look(world, "k1", "k1")
    assert world.instance("k1")["status"]["reason"] == "QuotaExceeded"
    del world.cluster.refusals["pods"]
    look(world, "k2")
    assert names_of_pods(world) == ["k2-1"]


def test_what_no_node_has_room_for_keeps_nobody_waiting(class_of_four: World) -> None:
    world = class_of_four
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}
    world.change_pod(world.pods()[0], phase="Pending", conditions=[unscheduled])
    look(world, "k1", "k3")
    assert names_of_pods(world) == ["k1-1", "k2-1", "k3-1"]


def test_who_is_deleted_while_it_waits_gets_no_turn(class_of_four: World) -> None:
    world = class_of_four
    world.cluster.remove("/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/k3")
    look(world, "k3")
    become_ready(world, "k1")
    look(world, "k4")
    assert names_of_pods(world) == ["k1-1", "k2-1", "k4-1"]


def test_a_pools_pod_is_not_waited_for(world: World) -> None:
    filled(world, replicas=1)
    world.starts_at_once = 1
    for name in ("k2", "k3"):
        world.apply(cr(name=name, uid=name, image="example.org/another:1", connection={"service": "None"}))
    world.apply(cr(created=world.now, connection={"service": "None"}))
    look(world, "k2", "k3", "k1")
    assert world.reconciler.turns.waiting == 1, "k3, whose shape no pool has"
    assert world.supervisors.told[0][0] == cr()["metadata"]["uid"], "k1 has its pod at once"


def test_a_restart_in_place_is_not_waited_for(class_of_four: World) -> None:
    world = class_of_four
    become_ready(world, "k1")
    look(world, "k3")
    world.apply({**world.instance("k1"), "spec": {**world.instance("k1")["spec"], "restartGeneration": 1}})
    world.supervisors.status["10.0.0.7"] = {"state": "running", "generation": 0}
    look(world, "k1")
    assert ("10.0.0.7", "restart") in [(ip, request["op"]) for ip, request in world.supervisors.asked]
