"""What a change of status counts."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from fixtures.objects import NOW, exited_status, ready_status
from kubernel_operator.clock import rfc3339_micro
from kubernel_operator.metrics import KERNELS, NAMESPACES_MAX, KernelCounts, observe_status

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
        pytest.param(exited_status(), exited_status(phase={"phase": "Failed"}), (0, 0, 0), id="the same end, for good"),
    ],
)
def test_observe_status(old: dict[str, Any], new: dict[str, Any], counts: tuple[float, float, float]) -> None:
    before = counted()
    observe_status(old, new)
    assert tuple(b - a for a, b in zip(before, counted(), strict=True)) == pytest.approx(counts)


def told() -> dict[tuple[str, str], float]:
    """The gauge of KernelInstances, by namespace and phase."""
    return {
        (sample.labels["kernel_namespace"], sample.labels["phase"]): sample.value
        for metric in KERNELS.collect()
        for sample in metric.samples
    }


def test_kernels_are_counted_once_in_their_newest_phase() -> None:
    counts = KernelCounts()
    counts.put(("ns", "a"), {})
    counts.put(("ns", "b"), {"phase": "Running"})
    counts.put(("ns", "a"), {"phase": "Running"})
    counts.put(("other", "a"), {"phase": "Failed"})
    counts.put(("ns", "b"), None)
    counts.put(("ns", "never seen"), None)
    counts.export()
    assert told() == {("ns", "Running"): 1, ("other", "Failed"): 1}
    counts.clear()
    counts.export()
    assert told() == {}


def test_only_the_largest_namespaces_are_named() -> None:
    counts = KernelCounts()
    for number in range(NAMESPACES_MAX + 20):
        for kernel in range(2 if number < NAMESPACES_MAX else 1):
            counts.put((f"user-{number}", f"k-{kernel}"), {"phase": "Running"})
    counts.export()
    assert len(told()) == NAMESPACES_MAX + 1
    assert told()["", "Running"] == 20
    assert sum(told().values()) == 2 * NAMESPACES_MAX + 20


def test_memory_of_running_kernels() -> None:
    counts = KernelCounts()
    counts.put(("ns", "a"), {"phase": "Running", "memory": {"usage": "100Mi", "limit": "1Gi"}})
    counts.put(("ns", "b"), {"phase": "Running", "memory": {"usage": "28Mi"}})
    counts.put(("ns", "c"), {"phase": "Exited", "memory": {"usage": "1Gi", "limit": "1Gi"}})
    counts.export()
    kinds = {"usage": 128 << 20, "limit": 1 << 30}
    assert {k: REGISTRY.get_sample_value("kubernel_kernel_memory_bytes", {"kind": k}) for k in kinds} == kinds
    counts.put(("ns", "a"), None)
    counts.export()
    assert REGISTRY.get_sample_value("kubernel_kernel_memory_bytes", {"kind": "limit"}) == 0
