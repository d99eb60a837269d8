"""Conditions: transition times, lookup, the sets of words."""

from typing import Any

import pytest

from kubernel_api.conditions import STALLING, ConditionType, Reason, condition, find_condition, is_true

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Running",
    "message": "Ready.",
    "observedGeneration": 1,
    "lastTransitionTime": EARLIER,
}


@pytest.mark.parametrize(
    ("previous", "status", "since"),
    [
        pytest.param([], "True", NOW, id="first"),
        pytest.param([READY], "True", EARLIER, id="same status keeps its time"),
        pytest.param([READY], "False", NOW, id="other status is a transition"),
        pytest.param([READY], "Unknown", NOW, id="unknown is a transition too"),
        pytest.param([{**READY, "type": "Stalled"}], "True", NOW, id="another type does not count"),
    ],
)
def test_last_transition_time(previous: list[dict[str, Any]], status: Any, since: str) -> None:
    made = condition(
        ConditionType.READY, status, Reason.KERNEL_CRASHED, "It crashed.", generation=2, previous=previous, now=NOW
    )
    assert made == {
        "type": "Ready",
        "status": status,
        "reason": "KernelCrashed",
        "message": "It crashed.",
        "observedGeneration": 2,
        "lastTransitionTime": since,
    }
    assert type(made["type"]) is type(made["reason"]) is str  # what YAML and JSON writers know


def test_find_condition() -> None:
    assert find_condition([{**READY, "type": "Stalled"}, READY], ConditionType.READY) is READY
    assert find_condition([READY], ConditionType.FINISHED) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"conditions": [READY]}, True, id="true"),
        pytest.param({"conditions": [{**READY, "status": "False"}]}, False, id="false"),
        pytest.param({"conditions": [{**READY, "status": "Unknown"}]}, False, id="unknown"),
        pytest.param({"conditions": []}, False, id="no conditions"),
        pytest.param({"conditions": None}, False, id="conditions null"),
        pytest.param({}, False, id="empty status"),
        pytest.param(None, False, id="no status"),
    ],
)
def test_is_true(status: dict[str, Any] | None, expected: bool) -> None:
    assert is_true(status, ConditionType.READY) is expected


@pytest.mark.parametrize("reason", Reason)
def test_reasons_are_single_camel_case_words(reason: Reason) -> None:
    assert reason.isalnum()
    assert reason[0].isupper()


def test_what_waiting_does_not_heal() -> None:
    assert {str(reason) for reason in STALLING} == {
        "Forbidden",
        "PodSecurityViolation",
        "InvalidImageName",
        "ImageRefused",
        "ConfigError",
        "NameConflict",
    }
