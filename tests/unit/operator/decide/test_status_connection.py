"""Where to connect, as the status says it."""

from typing import Any

import pytest

from fixtures.objects import (
    NOW,
    POD_SECRET,
    SETTINGS,
    cr,
    pod,
    ready_status,
    report,
    seen,
)
from kubernel_operator.decide.situation import situation
from kubernel_operator.decide.status import build_status
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.observed import Observed

RESTARTED = {"restartGeneration": 1}


def status(instance: dict[str, Any], observed: Observed) -> dict[str, Any]:
    kernel = kernel_facts(instance)
    return build_status(kernel, situation(kernel, observed, NOW), observed, SETTINGS, NOW)


WAITS = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "k1-0123abcd45" not found'}}


@pytest.mark.parametrize(("by", "reason"), [("Client", "WaitingForKey"), ("Operator", "ContainerCreating")])
def test_a_client_that_has_not_made_its_key(by: str, reason: str) -> None:
    instance, waits = cr(connection={"keyFrom": by}), pod(phase="Pending", state=WAITS)
    assert status(instance, seen(waits))["reason"] == reason
    other = pod(phase="Pending", state={"waiting": {**WAITS["waiting"], "message": f'secret "{POD_SECRET}" not found'}})
    assert status(instance, seen(other))["reason"] == "ContainerCreating"


def test_a_client_that_never_makes_its_key() -> None:
    """The words of the deadline are those of the wait."""
    waits = pod(phase="Pending", state=WAITS)
    instance = cr(connection={"keyFrom": "Client"})
    instance["status"] = status(instance, seen(waits))
    over = status(instance, seen(waits, first_seen=NOW - 300))
    assert over["reason"] == "StartTimeout"
    assert "The pod waits for Secret k1-0123abcd45" in over["message"]


@pytest.mark.parametrize(
    ("instance", "observed", "ip", "control_port"),
    [
        pytest.param(cr(), seen(pod(), report=report()), "10.96.0.9", 18886, id="Service"),
        pytest.param(
            cr(connection={"service": "None"}), seen(pod(), report=report()), "10.0.0.7", 18886, id="no Service"
        ),
        pytest.param(
            cr(), seen(pod(), report=report(supervised=False)), "10.96.0.9", None, id="an image without a supervisor"
        ),
        pytest.param(
            cr(status=ready_status(pod="k1-1"), connection={"service": "None"}),
            seen(pod(2, ip="10.0.0.8"), report=report(ip="10.0.0.8")),
            "10.0.0.8",
            18886,
            id="no Service, new pod",
        ),
        pytest.param(
            cr(connection={"service": "None"}),
            seen(pod(ip=None), report=report(ip="10.0.0.8")),
            "10.0.0.8",
            18886,
            id="its supervisor knows the address before the kubelet tells it",
        ),
        pytest.param(
            cr(connection={"service": "None"}),
            seen(pod(), report=report(ip="192.0.2.1")),
            "10.0.0.7",
            18886,
            id="an address that is none of the pod's",
        ),
        pytest.param(
            cr(connection={"service": "None"}),
            seen(pod(podIPs=[{"ip": "10.0.0.7"}, {"ip": "fd00::7"}]), report=report(ip="fd00::7")),
            "fd00::7",
            18886,
            id="the second one of the pod's addresses",
        ),
    ],
)
def test_connection(instance: dict[str, Any], observed: Observed, ip: str, control_port: int | None) -> None:
    connection = status(instance, observed)["connection"]
    assert (connection["ip"], connection.get("controlPort")) == (ip, control_port)


@pytest.mark.parametrize(
    ("asked", "told", "known", "expected"),
    [
        pytest.param("Auto", "Curve", None, "Curve", id="the kernel can"),
        pytest.param("Auto", "Disabled", None, "Disabled", id="it cannot"),
        pytest.param("Auto", None, None, "Disabled", id="nobody there can tell: an image without Python"),
        pytest.param("Auto", None, "Curve", "Curve", id="an operator that was restarted has heard nothing yet"),
        pytest.param("Curve", None, None, "Curve", id="without Python it was told to"),
        pytest.param("Disabled", None, None, "Disabled", id="nobody asked"),
    ],
)
def test_encryption(asked: str, told: str | None, known: str | None, expected: str) -> None:
    before = ready_status()
    before["connection"] |= {"encryption": known}
    instance = cr(status=before if known else None, connection={"encryption": asked})
    found = status(instance, seen(pod(), report=report(encryption=told)))
    assert found["connection"]["encryption"] == expected


def test_connection_stays_while_the_pod_is_replaced() -> None:
    """But for the address of the old pod, which may be another one's soon."""
    instance = cr(status=ready_status(), **RESTARTED)
    kept = {k: v for k, v in ready_status()["connection"].items() if k != "podIP"}
    assert status(instance, seen(pod(2, generation=1)))["connection"] == kept
    assert status(instance, seen(pod(), control_sent=1))["connection"] == ready_status()["connection"]


@pytest.mark.parametrize(
    ("by", "before", "told"),
    [
        pytest.param("Client", None, "new", id="its client makes keys"),
        pytest.param("Client", {"publicKey": "old"}, "new", id="another operator, before it is ready"),
        pytest.param("Client", ready_status() | {"publicKey": "old"}, "old", id="ready: an update writes nothing"),
        pytest.param("Client", ready_status(), None, id="ready before operators said so"),
        pytest.param("Operator", None, None, id="the operator makes them"),
    ],
)
def test_what_the_next_keys_may_be_sealed_to(by: str, before: dict[str, Any] | None, told: str | None) -> None:
    kernel, observed = kernel_facts(cr(connection={"keyFrom": by}, status=before)), seen(pod(), report=report())
    built = build_status(kernel, situation(kernel, observed, NOW), observed, SETTINGS, NOW, public_key="new")
    assert built.get("publicKey") == told
