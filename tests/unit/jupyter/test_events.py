"""Events that a listener gets, each of them once, and as the schema says."""

from typing import Any

import pytest
from jupyter_events import EventLogger

from kubernel_jupyter.events import SCHEMA, SCHEMA_ID, Announcer


@pytest.fixture
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def announcer(heard: list[dict[str, Any]]) -> Announcer:
    logger = EventLogger()
    logger.register_event_schema(SCHEMA)

    def emit(schema_id: str, data: dict[str, Any]) -> None:
        assert schema_id == SCHEMA_ID
        logger.schemas.validate_event(schema_id, data)
        heard.append(data)

    return Announcer("id", "science", emit)


def test_news_are_told_once(announcer: Announcer, heard: list[dict[str, Any]]) -> None:
    announcer.waiting("", "", 0.1)
    for seconds in (1.0, 2.0):
        announcer.waiting("Unschedulable", "no room", seconds)
    announcer.waiting("Pulling", "", 3.04)
    announcer.ready(4)
    assert heard == [
        {"kernel_id": "id", "kernel_name": "science", "phase": "waiting", "reason": "Unschedulable"}
        | {"message": "no room", "seconds": 1.0},
        {"kernel_id": "id", "kernel_name": "science", "phase": "waiting", "reason": "Pulling", "message": ""}
        | {"seconds": 3.0},
        {"kernel_id": "id", "kernel_name": "science", "phase": "ready", "seconds": 4},
    ]


def test_all_phases_are_in_the_schema(announcer: Announcer, heard: list[dict[str, Any]]) -> None:
    announcer.failed("no room")
    announcer.died("OOMKilled", is_over=False)
    announcer.resized({"limits": {"memory": "1Gi"}})
    announcer.reattached()
    assert [event["phase"] for event in heard] == ["failed", "died", "resized", "reattached"]
    assert heard[1]["over"] is False
