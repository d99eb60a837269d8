"""How many kernels may start at the same time, and for how long a start is counted."""

import math
from dataclasses import replace
from typing import Any

import pytest

from fixtures.objects import pod
from kubernel_operator.decide.situation import Situation, Stage
from kubernel_operator.decide.starting import (
    UNTIL_CONTAINER_SECONDS,
    UNTIL_READY_SECONDS,
    seconds_counted,
    starts_at_once,
)
from kubernel_operator.observe.pod_facts import pod_facts


@pytest.mark.parametrize(
    ("option", "cpus", "starts"),
    [
        ("Auto", None, math.inf),
        ("Auto", 0.0, 4),
        ("Auto", 1.93, 4),
        ("Auto", 7.91, 15),
        ("0", 8.0, math.inf),
        ("3", 8.0, 3),
        ("3", None, 3),
    ],
)
def test_starts_at_once(option: str, cpus: float | None, starts: float) -> None:
    assert starts_at_once(option, cpus) == starts


UNSCHEDULED = {"status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
MAKING, RUNNING = UNTIL_CONTAINER_SECONDS, UNTIL_READY_SECONDS


@pytest.mark.parametrize(
    ("seconds", "fields"),
    [
        pytest.param(MAKING, {"scheduled": {}, "state": {}, "ip": None}, id="the scheduler has not seen it"),
        pytest.param(MAKING, {"state": {}}, id="it has a node"),
        pytest.param(MAKING, {"state": {"waiting": {"reason": "ContainerCreating"}}}, id="its container is made"),
        pytest.param(RUNNING, {}, id="its container runs"),
        pytest.param(0.0, {"scheduled": UNSCHEDULED, "state": {}}, id="no node has room"),
        pytest.param(0.0, {"state": {"waiting": {"reason": "ImagePullBackOff"}}}, id="its image cannot be pulled"),
        pytest.param(0.0, {"state": {"terminated": {"exitCode": 1}}}, id="it has ended"),
        pytest.param(0.0, {"state": {}, "deleting": 0.0}, id="it is deleted"),
    ],
)
def test_a_start_is_counted_as_long_as_its_node_is_busy_with_it(seconds: float, fields: dict[str, Any]) -> None:
    assert seconds_counted(Situation(Stage.STARTING, 0, pod_facts(pod(phase="Pending", **fields)))) == seconds


def test_only_a_start_is_counted() -> None:
    found = pod_facts(pod())
    for stage in set(Stage) - {Stage.STARTING}:
        assert seconds_counted(Situation(stage, 0, found)) == 0.0
    assert seconds_counted(Situation(Stage.STARTING, 0)) == 0.0
    assert seconds_counted(Situation(Stage.STARTING, 0, replace(found, pool="pool"))) == 0.0
