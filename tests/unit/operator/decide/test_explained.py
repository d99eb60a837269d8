"""What Events of a pod add to what it says itself."""

from typing import Any

import pytest

from kubernel_api.conditions import Reason
from kubernel_operator.decide.reasons import explained, hint_from_events, reason_from_events
from kubernel_operator.observe.facts import event_facts

NO_ROOM = (Reason.UNSCHEDULABLE, "The pod cannot be scheduled: 0/4 nodes are available")
ADDED = (Reason.SCALING_UP, "A node is being added for the pod. why")
NOT_PULLED = (Reason.IMAGE_PULL_FAILED, "The image i cannot be pulled (ErrImagePull): denied")
NO_SECRET = "Secret no-such-secret does not exist in this namespace"


@pytest.mark.parametrize(
    ("said", "pending", "hint", "told"),
    [
        pytest.param(NO_ROOM, None, "", NO_ROOM, id="no room"),
        pytest.param(NO_ROOM, ADDED, "", ADDED, id="no room yet: no verdict while a node is on its way"),
        pytest.param(
            NO_ROOM,
            (Reason.UNSCHEDULABLE, "no node could be added: why"),
            "",
            (Reason.UNSCHEDULABLE, f"{NO_ROOM[1]}; no node could be added: why"),
            id="no room, and none to be had",
        ),
        pytest.param(
            NO_ROOM, (Reason.IMAGE_PULLING, "old"), "", NO_ROOM, id="no room, and an Event about something else"
        ),
        pytest.param(NOT_PULLED, None, "", NOT_PULLED, id="not pulled"),
        pytest.param(
            NOT_PULLED,
            None,
            NO_SECRET,
            (Reason.IMAGE_PULL_FAILED, f"{NOT_PULLED[1]}; {NO_SECRET}"),
            id="F9: not pulled, for want of a Secret",
        ),
    ],
)
def test_explained(said: Any, pending: Any, hint: str, told: Any) -> None:
    assert explained(*said, pending, hint) == told


def test_hint_from_events() -> None:
    words = "Unable to retrieve some image pull secrets (no-such-secret); attempting to pull the image may not succeed."
    events = [event_facts(event("Pulling")), event_facts(event("FailedToRetrieveImagePullSecret", words))]
    assert hint_from_events(events) == NO_SECRET
    assert hint_from_events(events[:1]) == ""


def event(reason: str, message: str = "why", *, at: int = 0, field: str = "lastTimestamp") -> dict[str, Any]:
    return {"reason": reason, "message": message, field: f"2027-01-15T08:00:{at:02}Z"}


@pytest.mark.parametrize(
    ("events", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param([event("Scheduled")], None, id="nothing that explains"),
        pytest.param(
            [event("Scheduled"), event("Pulling")],
            (Reason.IMAGE_PULLING, "The image is being pulled. why"),
            id="pulling",
        ),
        pytest.param([event("Pulling", at=1), event("Pulled", at=2)], None, id="pulled"),
        pytest.param(
            [event("Pulling", at=1), event("Failed", "Failed to pull image i: no", at=2)],
            (Reason.IMAGE_PULL_FAILED, "The image cannot be pulled: Failed to pull image i: no"),
            id="a failure takes the pulling back",
        ),
        pytest.param(
            [event("Pulling", at=1), event("BackOff", "Back-off restarting failed container x", at=2)],
            (Reason.IMAGE_PULLING, "The image is being pulled. why"),
            id="a back-off about something else does not",
        ),
        pytest.param([event("FailedAttachVolume", at=1), event("SuccessfulAttachVolume", at=2)], None, id="attached"),
        pytest.param(
            [event("FailedScheduling", at=3), event("TriggeredScaleUp", at=2)], ADDED, id="cluster-autoscaler"
        ),
        pytest.param([event("TriggeredScaleUp", at=1), event("NotTriggerScaleUp", at=2)], None, id="no group fits"),
        pytest.param(
            [event("TriggeredScaleUp", at=1), event("FailedScaleUp", "GCE out of resources", at=2)],
            (Reason.UNSCHEDULABLE, "no node could be added: GCE out of resources"),
            id="no node to be had",
        ),
        pytest.param([event("Nominated", at=1), event("FailedScheduling", at=2)], ADDED, id="Karpenter"),
        pytest.param(
            [event("Nominated", at=1), event("FailedScheduling", "Failed to schedule pod, incompatible", at=2)],
            None,
            id="Karpenter gave up, under any name",
        ),
        pytest.param(
            [event("Pulling", "init", at=1), event("Pulled", at=1), event("Pulling", at=1)],
            (Reason.IMAGE_PULLING, "The image is being pulled. why"),
            id="in one second, the last one posted counts",
        ),
        pytest.param(
            [
                event("Scheduled", field="eventTime") | {"eventTime": "2027-01-15T08:00:01.900000Z"},
                event("Pulling", at=1),
            ],
            (Reason.IMAGE_PULLING, "The image is being pulled. why"),
            id="whatever its fractions",
        ),
        pytest.param([event("Pulling", at=1), event("Pulled", at=1)], None, id="pulled within a second"),
        pytest.param(
            [event("NetworkNotReady", "cni plugin not initialized")],
            (Reason.CONTAINER_CREATING, "The node cannot set up the pod yet: cni plugin not initialized"),
            id="a node that has just joined",
        ),
        pytest.param(
            [event("Pulled", at=1, field="eventTime"), event("Pulling", at=2)],
            (Reason.IMAGE_PULLING, "The image is being pulled. why"),
            id="the newest counts, whatever its order and time field",
        ),
        pytest.param(
            [event("FailedMount")],
            (Reason.VOLUME_MOUNT_FAILED, "A volume cannot be mounted: why"),
            id="mount failed",
        ),
        pytest.param(
            [event("FailedAttachVolume")],
            (Reason.VOLUME_MOUNT_FAILED, "A volume cannot be mounted: why"),
            id="attach failed",
        ),
        pytest.param(
            [event("FailedCreatePodSandBox")],
            (Reason.CONTAINER_CREATING, "The node cannot set up the pod yet: why"),
            id="no sandbox",
        ),
    ],
)
def test_reason_from_events(events: list[dict[str, Any]], found: tuple[Reason, str] | None) -> None:
    assert reason_from_events(map(event_facts, events)) == found
