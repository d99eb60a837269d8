"""A pass arranges when it is looked again, whatever came of it: no news may come before a deadline."""

import pytest

from fixtures.callbacks import callback
from fixtures.objects import cr
from fixtures.operator_world import World
from kubernel_cluster.errors import ApiUnavailableError


@pytest.fixture
def timers(world: World, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds until the next look, of each time that one was arranged."""
    arranged: list[float] = []
    monkeypatch.setattr(world.reconciler.queue, "add_after", lambda key, seconds: arranged.append(seconds))
    return arranged


def test_the_pass_that_says_ready_arranges_the_active_deadline(world: World, timers: list[float]) -> None:
    """m16: it planned with the status from before, and its own write is no news."""
    world.apply(cr(lifecycle={"activeDeadlineSeconds": 500}))
    world.watch()
    world.reconcile()
    world.watch()
    world.reconciler.take_callback(callback())
    timers.clear()
    world.reconcile()
    assert world.instance()["status"]["reason"] == "Running"
    assert timers == [pytest.approx(500)]


@pytest.mark.parametrize("resource", ["pods", "secrets", "services"])
def test_a_failing_api_server_keeps_no_deadline_waiting(world: World, timers: list[float], resource: str) -> None:
    """F6: the error left the pass before the next look was arranged, and the queue came back half a minute later."""
    world.cluster.refusals[resource] = ApiUnavailableError("500", status=500, message="the webhook is down")
    world.apply(cr(lifecycle={"startDeadlineSeconds": 20}))
    world.watch()
    with pytest.raises(ApiUnavailableError):
        world.reconcile()
    world.now += 1.5
    with pytest.raises(ApiUnavailableError):
        world.reconcile()
    assert min(timers) <= 18.5
