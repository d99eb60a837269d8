"""What supervisors report, and how much of it counts."""

from typing import Any

import pytest

from fixtures.callbacks import callback, start
from fixtures.objects import cr, pod
from fixtures.operator_world import World
from kubernel_operator.reconcile import CALLBACKS_AT_ONCE
from kubernel_operator.verdict import Verdict


def test_a_callback_is_believed_about_its_own_pod_only(world: World) -> None:
    """Any kernel has a genuine token: its own."""
    start(world)
    other = cr(name="k2", uid="fedcba98-0000-4000-8000-000000000000")
    world.apply(other)
    world.watch()
    forged = callback(secret="ns/k2-fedcba9800", state="exited", sequence=3, exitCode=0)
    assert world.reconciler.take_callback(forged) is Verdict.FOREIGN
    world.reconcile()
    assert world.instance()["status"]["phase"] == "Running"


@pytest.mark.parametrize("generation", [1, 2**53])
def test_a_generation_that_nobody_asked_for_is_not_believed(world: World, generation: int) -> None:
    """A server may have asked the supervisor before the spec; user code may say any number."""
    start(world)
    assert world.reconciler.take_callback(callback(sequence=3, state="running", generation=generation)) is Verdict.TAKEN
    world.reconcile()
    world.watch()
    assert world.instance()["status"]["restartGeneration"] == 0
    assert (
        world.reconciler.take_callback(callback(sequence=4, state="exited", exitCode=1, generation=generation))
        is Verdict.TAKEN
    )
    world.reconcile()
    assert world.instance()["status"]["exit"]["restartGeneration"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"pod": "k1-9"}, id="unknown pod"),
        pytest.param({"secret": "elsewhere/k1-0123abcd45"}, id="same name in another namespace"),
    ],
)
def test_a_callback_of_nobody(world: World, fields: dict[str, Any]) -> None:
    start(world)
    assert world.reconciler.take_callback(callback(**fields)) is Verdict.UNKNOWN


def test_a_callback_before_its_kernel_instance_is_known(world: World) -> None:
    """After a restart of the operator the pod may be in the cache first; the supervisor comes again."""
    world.reconciler.cache.pods.put(pod())
    assert world.reconciler.take_callback(callback()) is Verdict.UNKNOWN


def test_a_pod_that_says_a_lot_is_told_to_wait(world: World) -> None:
    start(world)

    def said(count: int) -> list[Verdict]:
        events = [callback(sequence=10 + number) for number in range(count)]
        return [world.reconciler.take_callback(each) for each in events]

    assert said(1000).count(Verdict.TAKEN) == CALLBACKS_AT_ONCE - 1  # its start was one
    world.now += 3
    assert said(1000).count(Verdict.TAKEN) == 3


@pytest.mark.parametrize(
    "states",
    [
        pytest.param(("starting", "running"), id="back and forth"),
        pytest.param(("running", "exited"), id="dead and alive"),
    ],
)
def test_a_pod_that_tells_tales_costs_few_writes(world: World, states: tuple[str, str]) -> None:
    """For ten seconds: as many callbacks as are taken, each unlike the last, and the passes that they cause."""
    start(world)
    world.cluster.requests.clear()
    taken = 0
    for number in range(100):
        world.now += 0.1
        said = callback(sequence=10 + number, state=states[taken % 2])
        taken += world.reconciler.take_callback(said) is Verdict.TAKEN
        world.reconcile()
        world.watch()
    writes = [r for r in world.cluster.writes() if r[1] == "kernelinstances/status"]
    assert taken > 10
    assert len(writes) <= 6


def test_restarts_that_were_asked_for_are_told_at_once(world: World) -> None:
    """However many in a second: each was a write of its user."""
    start(world)
    world.supervisors.status["10.0.0.7"] = {"state": "running", "generation": 0}
    for generation in range(1, 20):
        world.apply({**world.instance(), "spec": {"restartGeneration": generation}})
        world.watch()
        world.reconcile()
        for more, state in ((0, "starting"), (1, "running")):
            news = callback(sequence=10 * generation + more, state=state, generation=generation)
            assert world.reconciler.take_callback(news) is Verdict.TAKEN
            world.reconcile()
            world.watch()
        assert world.instance()["status"]["restartGeneration"] == generation


def test_a_callback_sent_twice_is_taken_and_changes_nothing(world: World) -> None:
    start(world)
    world.cluster.requests.clear()
    assert world.reconciler.take_callback(callback()) is Verdict.TAKEN
    assert world.reconciler.take_callback(callback(sequence=1, state="starting")) is Verdict.TAKEN
    world.reconcile()
    assert world.cluster.requests == []
