"""What a status means for somebody who waits for a start or a restart."""

from typing import Any

import pytest

from kubernel_provisioner.launch.verdict import Failed, Goal, Gone, Ready, Unseen, Verdict, Waiting, judge

CONNECTION = {"ip": "10.96.0.7", "ports": {}}


def instance(**status: Any) -> dict[str, Any]:
    """A KernelInstance whose operator has seen generation 1."""
    return {"metadata": {"name": "k-1", "generation": 1}, "status": {"observedGeneration": 1, **status}}


def conditions(**states: str) -> list[dict[str, str]]:
    return [{"type": type_, "status": status} for type_, status in states.items()]


READY = {"conditions": conditions(Ready="True"), "connection": CONNECTION}
OVER = {"reason": "KernelCrashed", "message": "Exit code 1."}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param({"metadata": {"name": "k-1"}}, Unseen(), id="no status"),
        pytest.param(
            {"metadata": {"name": "k-1"}, "status": {"reason": "WaitingForOperator"}}, Unseen(), id="schema's default"
        ),
        pytest.param(instance(reason="Creating", message="m"), Waiting("Creating", "m"), id="on its way"),
        pytest.param(instance(reason="Unschedulable", message=""), Waiting("Unschedulable", ""), id="can heal"),
        pytest.param(instance(**READY), Ready(CONNECTION), id="ready"),
        pytest.param(instance(conditions=conditions(Ready="True")), Waiting("", ""), id="ready without an address"),
        pytest.param(
            instance(conditions=conditions(Ready="Unknown"), connection=CONNECTION), Waiting("", ""), id="ready unknown"
        ),
        pytest.param(
            instance(conditions=conditions(Stalled="True"), reason="Forbidden", message="m"),
            Failed("Forbidden", "m"),
            id="stalled",
        ),
        pytest.param(
            instance(conditions=conditions(Stalled="Unknown", Finished="Unknown"), reason="Pending"),
            Waiting("Pending", ""),
            id="stalled unknown",
        ),
        pytest.param(
            instance(conditions=conditions(Finished="True"), **OVER),
            Failed("KernelCrashed", "Exit code 1."),
            id="finished",
        ),
        pytest.param(
            instance(phase="Exited", exit={"exitCode": 1}, **OVER), Failed("KernelCrashed", "Exit code 1."), id="exited"
        ),
        pytest.param(
            instance(phase="Exited", exit={"exitCode": 127}, **OVER),
            Failed("KernelCrashed", "Exit code 1.", is_missing=True),
            id="no such program",
        ),
        pytest.param(
            {**instance(**READY), "metadata": {"name": "k-1", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            Gone(),
            id="being deleted",
        ),
    ],
)
def test_first_start(seen: dict[str, Any], expected: Verdict) -> None:
    assert judge(seen, Goal(generation=1)) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(instance(**READY), Unseen(), id="still ready as before"),
        pytest.param(
            instance(conditions=conditions(Finished="True"), **OVER),
            Failed("KernelCrashed", "Exit code 1."),
            id="finished before",
        ),
        pytest.param(
            instance(phase="Exited", exit={"restartGeneration": 0}, **OVER), Unseen(), id="exit of the old process"
        ),
        pytest.param(
            instance(observedGeneration=2, reason="Restarting", message=""), Waiting("Restarting", ""), id="restarting"
        ),
        pytest.param(
            instance(observedGeneration=2, restartGeneration=0, **READY),
            Waiting("", ""),
            id="seen, the old one is ready",
        ),
        pytest.param(instance(observedGeneration=2, restartGeneration=1, **READY), Ready(CONNECTION), id="ready"),
        pytest.param(
            instance(observedGeneration=3, restartGeneration=2, **READY), Ready(CONNECTION), id="a later one is ready"
        ),
        pytest.param(
            instance(observedGeneration=2, phase="Exited", exit={"restartGeneration": 1}, **OVER),
            Failed("KernelCrashed", "Exit code 1."),
            id="the new process ended",
        ),
        pytest.param(
            instance(observedGeneration=2, conditions=conditions(Finished="True"), **OVER),
            Failed("KernelCrashed", "Exit code 1."),
            id="finished for good",
        ),
    ],
)
def test_restart(seen: dict[str, Any], expected: Verdict) -> None:
    assert judge(seen, Goal(generation=2, restart=1)) == expected


def test_gone() -> None:
    assert judge(instance(**READY), Goal(1), gone=True) == Gone()
