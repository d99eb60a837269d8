"""What the schema calls mutable changes while a kernel runs, and nothing claims it before. M4."""

from typing import Any

import pytest

from fixtures.objects import NOW, cr, finished_status, pod, ready_status
from fixtures.operator_world import World
from kubernel_wire.callback import Callback

IP = "10.0.0.7"


def run(world: World, *, reports: bool = True, **lifecycle: Any) -> None:
    """A kernel that is Ready, with generation 1 observed."""
    world.apply(cr(status=ready_status(), lifecycle=lifecycle))
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", pod())
    world.supervisors.status[IP] = {"state": "running", "generation": 0, "age": 0, "ip": IP}
    world.watch()
    if reports:
        report(world, lifecycle.get("idleTimeoutSeconds"))
    passes(world)


def report(world: World, idle_timeout: float | None, sequence: int = 1) -> None:
    body = {"secret": "ns/k1-0123abcd45", "pod": "k1-1", "boot": "b1", "sequence": sequence, "generation": 0}
    said = {"age": 0, "state": "running", "ip": IP, "event": "ready", "time": NOW, "idleTimeoutSeconds": idle_timeout}
    assert world.reconciler.take_callback(Callback.model_validate(body | said))


def passes(world: World, seconds: float = 0.0) -> None:
    world.now += seconds
    world.watch()
    world.reconcile()
    world.watch()


def change(world: World, **lifecycle: Any) -> None:
    """Somebody changes the spec: its generation grows."""
    instance = world.instance()
    metadata = {**instance["metadata"], "generation": instance["metadata"]["generation"] + 1}
    world.apply({**instance, "metadata": metadata, "spec": {**instance["spec"], "lifecycle": lifecycle}})
    passes(world)


def observed(world: World) -> int:
    generation: int = world.instance()["status"]["observedGeneration"]
    return generation


@pytest.mark.parametrize("reports", [pytest.param(True, id="it reports"), pytest.param(False, id="callbacks blocked")])
@pytest.mark.parametrize(("before", "after"), [(600, 5), (600, None), (None, 600)])
def test_an_idle_timeout(world: World, reports: bool, before: float | None, after: float | None) -> None:
    run(world, reports=reports, idleTimeoutSeconds=before)
    assert (observed(world), world.supervisors.asked) == (1, [])
    change(world, idleTimeoutSeconds=after)
    assert observed(world) == 1, "it is not in force yet"
    passes(world)
    assert world.supervisors.asked == [(IP, {"op": "configure", "idleTimeoutSeconds": after, "suspend": False})]
    assert observed(world) == 2
    world.start_operator()
    passes(world)
    assert observed(world) == 2


def test_the_supervisor_s_own_word_is_enough(world: World) -> None:
    run(world, idleTimeoutSeconds=600)
    change(world, idleTimeoutSeconds=5)
    report(world, 5, sequence=2)
    passes(world)
    assert observed(world) == 2


def test_a_supervisor_that_does_not_answer_is_not_claimed_to_have_changed(world: World) -> None:
    run(world, idleTimeoutSeconds=600)
    world.supervisors.status.clear()
    change(world, idleTimeoutSeconds=5)
    passes(world)
    assert observed(world) == 1


def test_an_operator_that_comes_after_the_change(world: World) -> None:
    """What is in force is not known: it is told once more."""
    run(world, idleTimeoutSeconds=600)
    instance = world.instance()
    world.apply(
        {
            **instance,
            "metadata": {**instance["metadata"], "generation": 2},
            "spec": {**instance["spec"], "lifecycle": {"idleTimeoutSeconds": 5}},
        }
    )
    world.start_operator()
    passes(world)
    assert observed(world) == 1
    passes(world)
    assert observed(world) == 2


def test_an_active_deadline(world: World) -> None:
    run(world)
    change(world, activeDeadlineSeconds=60)
    passes(world, 54)  # it is Ready for five seconds
    assert world.instance()["status"]["phase"] == "Running"
    passes(world, 1)
    assert world.instance()["status"]["reason"] == "DeadlineExceeded"


def test_a_time_to_live(world: World) -> None:
    world.apply(cr(status=finished_status(ended=NOW)))
    passes(world)
    change(world, ttlSecondsAfterFinished=0)
    assert [p for p in world.cluster.objects if "kernelinstances" in p] == []


def test_a_start_deadline(world: World) -> None:
    world.apply(cr(lifecycle={"startDeadlineSeconds": 300}))
    passes(world)
    passes(world, 20)
    change(world, startDeadlineSeconds=30)
    passes(world, 9)
    assert world.instance()["status"]["reason"] == "Creating"
    passes(world, 1)
    assert world.instance()["status"]["reason"] == "StartTimeout"


def suspend(world: World, value: bool) -> None:
    """Somebody pauses the kernel, or lets it go on."""
    instance = world.instance()
    metadata = {**instance["metadata"], "generation": instance["metadata"]["generation"] + 1}
    world.apply({**instance, "metadata": metadata, "spec": {**instance["spec"], "suspend": value}})
    passes(world)
    passes(world)


def suspended(world: World) -> tuple[str, str] | None:
    conditions = world.instance()["status"]["conditions"]
    return next(((c["status"], c["reason"]) for c in conditions if c["type"] == "Suspended"), None)


@pytest.mark.parametrize("reports", [pytest.param(True, id="it reports"), pytest.param(False, id="callbacks blocked")])
def test_pause_and_continue(world: World, reports: bool) -> None:
    run(world, reports=reports)
    assert suspended(world) is None
    suspend(world, True)
    assert world.supervisors.asked[0] == (IP, {"op": "configure", "idleTimeoutSeconds": None, "suspend": True})
    passes(world)
    if reports:
        assert suspended(world) == ("True", "Paused")
        status, metadata = world.instance()["status"], world.instance()["metadata"]
        assert status["message"].startswith("The kernel is paused: ")
        assert f"kubernel resume {metadata['name']} -n {metadata['namespace']}," in status["message"]
    assert observed(world) == 2
    world.start_operator()
    for _ in range(3):
        passes(world)
    asked = [request["op"] for _, request in world.supervisors.asked]
    assert asked.count("configure") == 1
    suspend(world, False)
    passes(world)
    assert observed(world) == 3
    assert suspended(world) in {("False", "Running"), None}


def test_a_kernel_that_was_said_to_stand_still_is_asked_by_the_next_operator(world: World) -> None:
    """The report that it goes on may have been taken by the one before."""
    run(world)
    suspend(world, True)
    passes(world)
    world.supervisors.status[IP]["frozen"] = []
    instance = world.instance()
    world.apply({**instance, "spec": {**instance["spec"], "suspend": False}})
    world.start_operator()
    for _ in range(3):
        passes(world)
    assert suspended(world) == ("False", "Running")


def test_a_restarted_process_is_paused_again(world: World) -> None:
    run(world)
    suspend(world, True)
    passes(world)
    report(world, None, sequence=2)  # a new process stands still for nobody
    passes(world)
    passes(world)
    assert [request["suspend"] for _, request in world.supervisors.asked] == [True, True]
