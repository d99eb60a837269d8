"""A process that was not running for a while notices it."""

import asyncio

import pytest

from kubernel_provisioner.cluster import wake_up
from kubernel_provisioner.cluster.wake_up import on_wake_up


class Wall:
    """The clock on the wall: goes as the event loop's does, and on while the machine sleeps."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return asyncio.get_running_loop().time() + self.slept


@pytest.mark.parametrize(
    ("seconds", "noticed"),
    [
        pytest.param(0.0, 0, id="awake"),
        pytest.param(4.0, 0, id="the clock was set"),
        pytest.param(8 * 3600.0, 1, id="over night"),
        pytest.param(-3600.0, 0, id="the clock was set back"),
    ],
)
async def test_a_sleep(monkeypatch: pytest.MonkeyPatch, seconds: float, noticed: int) -> None:
    monkeypatch.setattr(wake_up, "LOOK_EVERY_SECONDS", 0.01)
    wall, wake_ups = Wall(), []
    watching = asyncio.create_task(on_wake_up(lambda: wake_ups.append(1), clock=wall))
    await asyncio.sleep(0.005)
    wall.slept = seconds
    await asyncio.sleep(0.1)
    watching.cancel()
    assert len(wake_ups) == noticed
