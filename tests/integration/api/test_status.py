"""The status of a KernelInstance: its default, and what is written comes back."""

import json
import subprocess
from typing import Any

import pytest

from fixtures.kubectl import Kubectl, Object
from kubernel_api.status import UNOBSERVED_STATUS, KernelInstanceStatus

DEMO = {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": "demo"}}
NOW = "2026-01-02T03:04:05Z"
FULL_STATUS: dict[str, Any] = {
    "observedGeneration": 2,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Running",
            "message": "All five ports accept connections.",
            "observedGeneration": 2,
            "lastTransitionTime": NOW,
        }
    ],
    "phase": "Running",
    "reason": "Running",
    "message": "All five ports accept connections.",
    "connection": {
        "ip": "10.96.0.7",
        "ports": {"shell": 18881, "iopub": 18882, "stdin": 18883, "control": 18884, "hb": 18885},
        "transport": "tcp",
        "signatureScheme": "hmac-sha256",
        "secretName": "demo-0123456789",
        "controlPort": 18886,
        "podIP": "10.244.0.7",
        "encryption": "Curve",
    },
    "exit": {
        "exitCode": 137,
        "signal": 9,
        "reason": "OOMKilled",
        "message": "The kernel used more than its 1Gi of memory.",
        "oomKilled": True,
        "finishedTime": NOW,
        "restartGeneration": 1,
    },
    "podName": "demo-1",
    "podIncarnation": 1,
    "nodeName": "node1",
    "resources": {"requests": {"memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    "memory": {"usage": "120Mi", "limit": "1Gi", "time": NOW},
    "start": {
        "type": "Cold",
        "pool": "science",
        "reason": "MemberFailed",
        "message": "KernelPool science has resources.requests.memory 2Gi, this kernel 1Gi.",
    },
    "publicKey": "QUJD",
    "image": "example.com/kernel:1",
    "restartGeneration": 2,
    "restartCount": 2,
    "lastActivityTime": NOW,
    "times": {"scheduled": NOW, "started": NOW, "ready": NOW},
}


@pytest.fixture
def demo(alone: Kubectl) -> Kubectl:
    """kubectl, with a fresh KernelInstance ``demo``."""
    alone("create", "-f", "-", stdin=json.dumps(DEMO))
    return alone


def patch(kubectl: Kubectl, body: Object, *flags: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return kubectl("patch", "kernel", "demo", "--type=merge", "-p", json.dumps(body), *flags, check=check)


def status_of(kubectl: Kubectl) -> Object:
    status: Object = kubectl.json("get", "kernel", "demo")["status"]
    return status


def test_the_answer_to_create_already_says_that_no_operator_has_seen_it(alone: Kubectl) -> None:
    created = alone("create", "-f", "-", "-o", "json", stdin=json.dumps(DEMO))
    assert json.loads(created.stdout)["status"] == UNOBSERVED_STATUS


def test_a_fresh_object_waits_for_an_operator(demo: Kubectl) -> None:
    assert status_of(demo) == UNOBSERVED_STATUS


def test_whoever_creates_it_cannot_write_its_status(alone: Kubectl) -> None:
    alone("create", "-f", "-", stdin=json.dumps({**DEMO, "status": FULL_STATUS}))
    assert status_of(alone) == UNOBSERVED_STATUS


def test_every_field_written_through_the_subresource_comes_back(demo: Kubectl) -> None:
    patch(demo, {"status": FULL_STATUS}, "--subresource=status")
    assert status_of(demo) == FULL_STATUS


def test_the_full_status_here_leaves_no_field_out() -> None:
    status = KernelInstanceStatus.model_validate(FULL_STATUS)
    assert status.model_dump(by_alias=True) == FULL_STATUS


def test_status_does_not_change_beside_the_subresource(demo: Kubectl) -> None:
    patch(demo, {"status": FULL_STATUS})
    assert status_of(demo) == UNOBSERVED_STATUS


def test_a_field_of_the_default_that_is_removed_does_not_come_back(demo: Kubectl) -> None:
    patch(demo, {"status": {"message": None, "phase": "Running", "conditions": []}}, "--subresource=status")
    assert status_of(demo) == {"conditions": [], "phase": "Running", "reason": "WaitingForOperator"}


def test_kubectl_wait_tells_a_fresh_object_from_a_ready_one(demo: Kubectl) -> None:
    ready = ("wait", "--for=condition=Ready", "--timeout=0", "kernel/demo")
    assert demo(*ready, check=False).returncode == 1
    patch(demo, {"status": FULL_STATUS}, "--subresource=status")
    assert demo.text(*ready) == "kernelinstance.kubernel.dev/demo condition met"


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        pytest.param({"exit": {"finishedTime": "yesterday"}}, "status.exit.finishedTime", id="no time"),
        pytest.param({"exit": {"exitCode": "0"}}, "status.exit.exitCode", id="text for a number"),
        pytest.param({"connection": {"controlPort": 65536}}, "status.connection.controlPort", id="no port"),
    ],
)
def test_a_malformed_status_is_refused(demo: Kubectl, status: dict[str, Any], refused: str) -> None:
    answer = patch(demo, {"status": status}, "--subresource=status", check=False)
    assert f"{refused}: Invalid value" in answer.stderr
    assert answer.returncode == 1
