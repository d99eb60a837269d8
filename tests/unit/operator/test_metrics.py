"""What a change of status counts."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from fixtures.objects import NOW, exited_status, ready_status
from kubernel_operator.clock import rfc3339_micro
from kubernel_operator.metrics import observe_status

STARTS, ENDS = "kubernel_kernel_starts_total", "kubernel_kernel_terminations_total"
SECONDS = "kubernel_kernel_start_duration_seconds_sum"


def counted() -> tuple[float, float, float]:
    """Starts, crashes and seconds of starts so far."""
    samples = (STARTS, {}), (ENDS, {"reason": "KernelCrashed"}), (SECONDS, {})
    starts, ends, seconds = (REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels in samples)
    return starts, ends, seconds


def ready(generation: int = 0) -> dict[str, Any]:
    times = {"started": rfc3339_micro(NOW - 1.5), "ready": rfc3339_micro(NOW + generation)}
    return ready_status(generation=generation, times=times)


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        pytest.param({}, ready(), (1, 0, 1.5), id="start"),
        pytest.param(ready(), ready(1), (1, 0, 2.5), id="restart"),
        pytest.param(ready(), ready(), (0, 0, 0), id="nothing new"),
        pytest.param({}, ready_status(), (1, 0, 0), id="start at an unknown time"),
        pytest.param(ready_status(), exited_status(), (0, 1, 0), id="end"),
        pytest.param(exited_status(), exited_status(phase="Failed"), (0, 0, 0), id="the same end, for good"),
    ],
)
def test_observe_status(old: dict[str, Any], new: dict[str, Any], counts: tuple[float, float, float]) -> None:
    before = counted()
    observe_status(old, new)
    assert tuple(b - a for a, b in zip(before, counted(), strict=True)) == pytest.approx(counts)
