"""No time of one machine is compared with another's: C2, F5, m1 to m4. An operator, a kubelet played by the test."""

import pytest

from fixtures.objects import NOW, finished_status, pod
from fixtures.one_kernel import begin, call_back, newest, passes, run, words
from fixtures.operator_world import World


@pytest.mark.parametrize("skew", [-300, -61, 61, 300])
def test_another_clock_moves_no_deadline(world: World, skew: int) -> None:
    """m1, F5: an operator minutes ahead of the API server made a StartTimeout of every start."""
    begin(world, created=NOW + skew, lifecycle={"startDeadlineSeconds": 15})
    passes(world, 14)
    assert words(world)[1] == "Creating"
    passes(world, 1)
    assert words(world)[1] == "StartTimeout"


@pytest.mark.parametrize("skew", [-300, -61, 61, 300])
def test_the_grace_counts_from_when_the_end_was_heard_of(world: World, skew: int) -> None:
    run(world)
    call_back(world, 2, "exited", signal=9, time=NOW + skew, age=10)
    passes(world)
    passes(world, 19)
    assert words(world)[0] == "Exited"
    passes(world, 1)
    assert words(world)[0] == "Failed"


@pytest.mark.parametrize("skew", [-300, -61, 61, 300])
def test_another_operator_with_another_clock_leaves_the_grace(world: World, skew: int) -> None:
    run(world)
    call_back(world, 2, "exited", signal=9)
    passes(world)
    world.now += skew
    world.start_operator()
    passes(world)
    passes(world, 29)
    assert words(world)[0] == "Exited"
    passes(world, 1)
    assert words(world)[0] == "Failed"


def test_an_overdue_time_to_live_is_kept_soon_after_a_restart(world: World) -> None:
    """It took five minutes more. Ten seconds are for two API servers whose clocks differ."""
    run(world)
    call_back(world, 2, "exited", signal=9)
    passes(world)
    passes(world, 30)
    assert words(world)[0] == "Failed"
    world.now += 300
    world.start_operator()
    passes(world)
    passes(world, 9)
    assert words(world)[0] == "Failed"
    passes(world, 1)
    assert not any("kernelinstances" in path for path in world.cluster.objects)


def test_a_time_to_live_from_a_time_that_has_not_come(world: World) -> None:
    """Another operator's clock was a year ahead, or somebody wrote into the status: it was kept for a year."""
    begin(world, lifecycle={"ttlSecondsAfterFinished": 60}, status=finished_status(ended=NOW + 3e7))
    passes(world, 59)
    assert any("kernelinstances" in path for path in world.cluster.objects)
    passes(world, 1)
    assert not any("kernelinstances" in path for path in world.cluster.objects)


def test_an_active_deadline_from_a_time_that_has_not_come(world: World) -> None:
    begin(world, lifecycle={"activeDeadlineSeconds": 60})
    status = pod()["status"]
    world.change_pod(newest(world), **status)
    world.watch()
    call_back(world, 1, "running")
    passes(world)
    instance = world.instance()
    instance["status"]["times"]["ready"] = "2099-01-01T00:00:00Z"
    world.apply(instance)
    passes(world, 59)
    assert words(world)[0] == "Running"
    passes(world, 1)
    assert words(world)[:2] == ("Failed", "DeadlineExceeded")


def test_a_node_s_silence_is_measured_here(world: World) -> None:
    """m3: an operator 12 s ahead called every graceful deletion NodeLost."""
    run(world)
    deleted = newest(world)
    deleted["metadata"] |= {"deletionTimestamp": "2027-01-15T07:50:00Z", "deletionGracePeriodSeconds": 5}
    world.change_pod(deleted, **deleted["status"])
    passes(world)
    assert words(world)[0] == "Running"
    passes(world, 9.9)
    assert words(world)[0] == "Running"
    passes(world, 0.1)
    assert words(world)[:2] == ("Exited", "NodeLost")


@pytest.mark.parametrize("restarted", [False, True], ids=["the same operator", "another operator"])
def test_a_pod_that_is_taken_by_force_from_a_silent_node_was_lost_with_it(world: World, restarted: bool) -> None:
    """kubectl delete --force, or a cloud that deletes the node: nobody says anything more of the pod."""
    run(world)
    silent = {"type": "Ready", "status": "False", "reason": "NodeNotReady"}
    status = pod()["status"]
    world.change_pod(newest(world), **status | {"conditions": [*status["conditions"], silent]})
    passes(world)
    assert words(world)[1] == "NodeUnreachable"
    if restarted:
        world.start_operator()
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    passes(world)
    assert words(world)[:2] == ("Exited", "NodeLost")
    assert words(world)[2] == "Pod k1-1 was deleted while its node did not answer."


def test_a_node_that_came_back_is_not_blamed(world: World) -> None:
    run(world)
    silent = {"type": "Ready", "status": "False", "reason": "NodeNotReady"}
    status = pod()["status"]
    world.change_pod(newest(world), **status | {"conditions": [*status["conditions"], silent]})
    passes(world)
    world.change_pod(newest(world), **status)
    passes(world)
    assert words(world)[1] == "Running"
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    passes(world)
    assert words(world)[:2] == ("Exited", "PodDeleted")
