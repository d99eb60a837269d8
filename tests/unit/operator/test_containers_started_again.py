"""A kernel's container that its kubelet has lost, or started again: its process is gone, and its variables are."""

from typing import Any

from fixtures.objects import NOW, pod
from fixtures.one_kernel import begin, call_back, names, newest, passes, run, words
from fixtures.operator_world import World
from kubernel_operator.observe.pod_facts import pod_facts

# As the kubelet writes it of a container that its runtime does not know any more.
LOST = {
    "terminated": {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was deleted.  The container used to be Running",
    }
}
KILLED = {"terminated": {"exitCode": 137, "reason": "Error"}}
RUNS: dict[str, Any] = {"running": {}}
CREATED_AGAIN = {"waiting": {"reason": "ContainerCreating"}}


def again(world: World, state: dict[str, Any], last: dict[str, Any], phase: str = "Running") -> None:
    status = pod(phase=phase, state=state)["status"]
    status["containerStatuses"][0] |= {"lastState": last, "restartCount": 1}
    world.change_pod(newest(world), **status)
    passes(world)


def test_a_container_that_the_runtime_has_lost(world: World) -> None:
    run(world)
    again(world, CREATED_AGAIN, LOST, "Failed")
    assert words(world)[:2] == ("Exited", "NodeLost")
    assert words(world)[2].startswith("Nobody on its node saw how the kernel ended")


def test_one_that_was_lost_before_it_was_ready_is_replaced(world: World) -> None:
    begin(world)
    again(world, CREATED_AGAIN, LOST, "Failed")
    passes(world, 1.0)
    assert names(world) == ["k1-1", "k1-2"]


def test_a_container_that_was_started_again_is_not_the_kernel_that_was_ready(world: World) -> None:
    """Somebody changed its image, or a webhook gave it a restart policy of its own."""
    run(world)
    again(world, RUNS, KILLED)
    call_back(world, 1, "running", boot="b2")
    passes(world)
    assert words(world) == ("Exited", "KernelCrashed", "The kernel was ended by signal 9, SIGKILL.")
    instance = world.instance()
    world.apply({**instance, "spec": {**instance["spec"], "restartGeneration": 1}})
    passes(world)
    assert names(world) == ["k1-2"], "what runs in the other one has no session"


def test_a_container_that_a_deletion_took_away_was_not_lost() -> None:
    """The kubelet says the same of one that it has removed itself."""
    deleted = pod(deleting=NOW, state=CREATED_AGAIN)
    deleted["status"]["containerStatuses"][0]["lastState"] = LOST
    facts = pod_facts(deleted)
    assert facts.kernel is not None
    assert facts.kernel.terminated is None
