"""Events on KernelInstances."""

import pytest

from fixtures.objects import NOW, UID, cr
from kubernel_api.conditions import Reason
from kubernel_operator.build.event import build_event, is_news


@pytest.mark.parametrize(
    ("reason", "before", "news"),
    [
        pytest.param(Reason.UNSCHEDULABLE, "", True, id="a problem"),
        pytest.param(Reason.UNSCHEDULABLE, Reason.UNSCHEDULABLE, False, id="the same again"),
        pytest.param(Reason.QUOTA_EXCEEDED, Reason.UNSCHEDULABLE, True, id="another problem"),
        pytest.param(Reason.RUNNING, "", False, id="a start that went well"),
        pytest.param(Reason.RUNNING, Reason.UNSCHEDULABLE, True, id="a problem is over"),
        pytest.param(Reason.CONTAINER_CREATING, "", False, id="on the way"),
        pytest.param(Reason.IMAGE_PULLING, "", True, id="worth knowing"),
        pytest.param(Reason.COMPLETED, "", False, id="a good end"),
        pytest.param(Reason.KERNEL_CRASHED, "", True, id="a bad end"),
    ],
)
def test_is_news(reason: Reason, before: str, news: bool) -> None:
    assert is_news(reason, before) is news


def test_build_event() -> None:
    assert build_event(cr(), Reason.OOM_KILLED, "It used too much.", suffix="1a2b", now=NOW) == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "k1.1a2b", "namespace": "ns"},
        "involvedObject": {
            "apiVersion": "kubernel.dev/v1beta1",
            "kind": "KernelInstance",
            "name": "k1",
            "namespace": "ns",
            "uid": UID,
        },
        "type": "Warning",
        "reason": Reason.OOM_KILLED,
        "message": "It used too much.",
        "source": {"component": "kubernel-operator"},
        "firstTimestamp": "2027-01-15T08:00:00Z",
        "lastTimestamp": "2027-01-15T08:00:00Z",
        "count": 1,
    }


@pytest.mark.parametrize(
    ("reason", "type_"),
    [
        pytest.param(Reason.FORBIDDEN, "Warning", id="needs a person"),
        pytest.param(Reason.UNSCHEDULABLE, "Warning", id="can heal"),
        pytest.param(Reason.RUNNING, "Normal", id="fine"),
        pytest.param(Reason.IMAGE_PULLING, "Normal", id="takes its time"),
        pytest.param(Reason.IDLE_TIMEOUT, "Normal", id="as wished"),
    ],
)
def test_type(reason: Reason, type_: str) -> None:
    assert build_event(cr(), reason, "", suffix="1", now=NOW)["type"] == type_


@pytest.mark.parametrize(
    ("message", "length"),
    [
        pytest.param("x" * 1024, 1024, id="fits"),
        pytest.param("x" * 1025, 1024, id="cut"),
        pytest.param("x" + "ä" * 600, 1023, id="cut between letters, never inside one"),
    ],
)
def test_message_fits(message: str, length: int) -> None:
    cut = build_event(cr(), Reason.KERNEL_CRASHED, message, suffix="1", now=NOW)["message"]
    assert message.startswith(cut)
    assert len(cut.encode()) == length
