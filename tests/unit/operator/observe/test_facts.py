"""What decisions can see of the objects that the API server sends."""

from typing import Any

import pytest

from fixtures.objects import NOW, UID, cr, pod, ready_status
from kubernel_api.conditions import ConditionType
from kubernel_operator.observe.facts import event_facts, lease_facts, service_facts
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.kinds import PODS
from kubernel_operator.observe.pod_facts import Container, Terminated, Waiting, pod_facts

# As Kubernetes 1.35 wrote it for a pod with an injected proxy, a native sidecar and an init container.
MESHED: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {
        "name": "k1-2",
        "namespace": "ns",
        "uid": "u",
        "labels": {"kueue.x-k8s.io/queue-name": "team"},
        "annotations": {"kubernel.dev/incarnation": "2", "kubernel.dev/restart-generation": "1"},
        "deletionTimestamp": "2027-01-15T08:00:05Z",
        "deletionGracePeriodSeconds": 5,
        "ownerReferences": [{"kind": "KernelInstance", "name": "k1", "uid": UID, "controller": True}],
    },
    "spec": {
        "nodeName": "node1",
        "schedulingGates": [{"name": "kueue.x-k8s.io/admission"}],
        "containers": [{"name": "a-proxy"}, {"name": "kernel"}],
        "initContainers": [{"name": "mesh-init"}, {"name": "logs", "restartPolicy": "Always"}],
    },
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.7",
        "podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}],
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
            {"type": "DisruptionTarget", "status": "False"},
        ],
        "initContainerStatuses": [
            {"name": "mesh-init", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
            {"name": "logs", "state": {"running": {"startedAt": "2027-01-15T07:59:00Z"}}, "started": True},
        ],
        "containerStatuses": [
            {"name": "a-proxy", "state": {"terminated": {"exitCode": 7, "reason": "Error"}}},
            {"name": "kernel", "image": "i", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}},
        ],
    },
}


@pytest.mark.parametrize("raw", [pytest.param(MESHED, id="as sent"), pytest.param(PODS.cut(MESHED), id="as cached")])
def test_pod(raw: dict[str, Any]) -> None:
    facts = pod_facts(raw)
    assert facts.kernel == Container("kernel", "i", waiting=Waiting("ErrImagePull", "no"))
    assert facts.others == (Container("a-proxy", terminated=Terminated(7, "Error")),)
    mesh, logs = facts.inits
    assert (mesh.is_done, logs.is_done, logs.sidecar) == (True, True, True)
    assert (facts.incarnation, facts.generation, facts.owner_uid) == (2, 1, UID)
    assert (facts.deleting, facts.grace_seconds, facts.may_run) == (True, 5, False)
    assert (facts.ips, facts.ip) == (("10.0.0.7", "fd00::7"), "10.0.0.7")
    assert (facts.gates, facts.queue) == (("kueue.x-k8s.io/admission",), "team")
    assert facts.disruption is None
    assert facts.ready is not None
    assert facts.ready.reason == "ContainersNotReady"


@pytest.mark.parametrize("annotation", ["one", "", "1.5", "9" * 5000])
def test_an_annotation_that_somebody_wrote_by_hand(annotation: str) -> None:
    """m14: it raised ValueError in every pass."""
    raw = pod()
    raw["metadata"]["annotations"] = dict.fromkeys(raw["metadata"]["annotations"], annotation)
    assert (pod_facts(raw).incarnation, pod_facts(raw).generation) == (0, 0)


def test_a_pod_of_which_nothing_is_known_yet() -> None:
    facts = pod_facts({"metadata": {"name": "k1-1", "namespace": "ns", "annotations": None}, "spec": {}})
    assert (facts.kernel, facts.scheduled, facts.ips, facts.phase, facts.has_ended) == (None, None, (), "", False)


def test_kernel() -> None:
    facts = kernel_facts(
        cr(
            generation=4,
            status=ready_status(generation=1, ready=NOW - 5),
            restartGeneration=2,
            connection={"service": "None", "encryption": "Curve"},
            lifecycle={"idleTimeoutSeconds": 60, "ttlSecondsAfterFinished": 0, "leaseName": "server-1"},
        )
    )
    assert (facts.generation, facts.wanted, facts.by_service, facts.encrypted) == (4, 2, False, True)
    assert (facts.lifecycle.start_deadline, facts.lifecycle.active_deadline) == (300, None)
    assert (facts.lifecycle.idle_timeout, facts.lifecycle.ttl_after_finished) == (60, 0)
    assert (facts.status.is_ready, facts.status.is_finished, facts.status.generation) == (True, False, 1)
    assert facts.status.since(ConditionType.READY) == NOW - 5
    assert facts.status.since(ConditionType.FINISHED) is None
    assert facts.is_about("k1-1")


def test_a_kernel_that_says_nothing_gets_the_schema_s_defaults() -> None:
    facts = kernel_facts({"metadata": {"name": "k1", "namespace": "ns", "uid": UID}, "spec": {}})
    assert (facts.by_service, facts.lifecycle.start_deadline, facts.lifecycle.ttl_after_finished) == (True, 300, 300)
    assert (facts.status.address, facts.status.exit, facts.status.incarnation) == (None, None, 0)


def test_service_and_lease() -> None:
    meta = {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "7"}
    owned = meta | {"ownerReferences": [{"uid": UID, "controller": True}]}
    assert service_facts({"metadata": owned, "spec": {"clusterIP": "10.96.0.9"}}).address == "10.96.0.9"
    headless = {"metadata": owned | {"name": "kernel-k1"}, "spec": {"clusterIP": "None"}}
    assert service_facts(headless).address == "kernel-k1.ns.svc"
    lease = lease_facts({"metadata": meta, "spec": {"renewTime": "t", "leaseDurationSeconds": 60}})
    assert (lease.renewed, lease.duration_seconds, lease.version) == ("t", 60, "7")


def test_event() -> None:
    event = event_facts(
        {
            "reason": "BackOff",
            "lastTimestamp": "2027-01-15T08:00:00Z",
            "involvedObject": {"fieldPath": "spec.initContainers{mesh-init}"},
        }
    )
    assert (event.reason, event.message, event.container) == ("BackOff", "", "mesh-init")
    assert event.time == "2027-01-15T08:00:00Z"
