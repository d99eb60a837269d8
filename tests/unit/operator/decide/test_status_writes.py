"""The smallest patch that makes a status so, and whether it is worth a write."""

from typing import Any

import pytest

from fixtures.objects import (
    NOW,
    SETTINGS,
    cr,
    pod,
    ready_status,
    report,
    seen,
)
from kubernel_api.conditions import Reason
from kubernel_operator.decide.pace import news_at
from kubernel_operator.decide.situation import Situation, Stage, situation
from kubernel_operator.decide.status import build_status, status_patch
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.observed import Observed

NOW_TEXT, BEFORE_TEXT = "2027-01-15T08:00:00Z", "2027-01-15T07:59:55Z"


def status(instance: dict[str, Any], observed: Observed) -> dict[str, Any]:
    kernel = kernel_facts(instance)
    return build_status(kernel, situation(kernel, observed, NOW), observed, SETTINGS, NOW)


@pytest.mark.parametrize(
    ("known", "said", "written"),
    [
        pytest.param(None, None, None, id="never"),
        pytest.param(None, NOW - 5, "2027-01-15T07:59:55Z", id="first"),
        pytest.param("2027-01-15T07:59:00Z", NOW - 1, "2027-01-15T07:59:00Z", id="moved by 59 s: no write"),
        pytest.param("2027-01-15T07:59:00Z", NOW, "2027-01-15T08:00:00Z", id="moved by a minute"),
        pytest.param("2027-01-15T07:59:00Z", None, "2027-01-15T07:59:00Z", id="operator restarted"),
        pytest.param("2027-01-15T07:59:00Z", NOW - 600, "2027-01-15T07:59:00Z", id="never back"),
    ],
)
def test_last_activity(known: str | None, said: float | None, written: str | None) -> None:
    fields = {"lastActivityTime": known} if known else {}
    built = status(cr(status=ready_status(**fields)), seen(pod(), report=report(last_activity=said)))
    assert built.get("lastActivityTime") == written


def test_transition_times() -> None:
    built = status(cr(status=ready_status()), seen(pod(), report=report("exited", exit_code=1)))
    assert {c["type"]: c["lastTransitionTime"] for c in built["conditions"]} == {
        "Ready": NOW_TEXT,
        "Reconciling": BEFORE_TEXT,
        "Stalled": BEFORE_TEXT,
        "Finished": BEFORE_TEXT,
        "PodScheduled": BEFORE_TEXT,
    }


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        pytest.param({}, {}, {}, id="nothing"),
        pytest.param({"a": 1}, {"a": 1}, {}, id="same"),
        pytest.param({}, {"a": 1}, {"a": 1}, id="new"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, id="changed"),
        pytest.param({"a": 1}, {}, {"a": None}, id="gone"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}, id="changed inside"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}, id="gone inside"),
        pytest.param({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 1}}}, {}, id="same inside"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, {"a": [1]}, id="lists as a whole"),
        pytest.param({"a": {"b": 1}}, {"a": 1}, {"a": 1}, id="an object becomes a value"),
        pytest.param({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}, id="a value becomes an object"),
    ],
)
def test_status_patch(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]) -> None:
    assert status_patch(old, new) == patch


@pytest.mark.parametrize(
    ("stage", "reason", "last", "when"),
    [
        pytest.param(Stage.STARTING, Reason.CONTAINER_CREATING, 0.0, NOW + 1, id="usual, after a second"),
        pytest.param(Stage.STARTING, Reason.CONTAINER_CREATING, NOW + 3, NOW + 5, id="usual, not soon after another"),
        pytest.param(Stage.NEEDS_RESTART, Reason.RESTARTING, NOW - 60, NOW + 1, id="restart, after a second"),
        pytest.param(Stage.STARTING, Reason.UNSCHEDULABLE, NOW, 0.0, id="unusual, at once"),
        pytest.param(Stage.NEEDS_POD, Reason.QUOTA_EXCEEDED, NOW, 0.0, id="refused, at once"),
        pytest.param(Stage.RUNNING, Reason.RUNNING, NOW, 0.0, id="running, at once"),
        pytest.param(Stage.EXITED, Reason.COMPLETED, NOW, 0.0, id="exited, at once"),
    ],
)
def test_news_at(stage: Stage, reason: Reason, last: float, when: float) -> None:
    assert news_at(Situation(stage, 0, start_began=NOW - 9, turn_began=NOW), reason, last) == when
