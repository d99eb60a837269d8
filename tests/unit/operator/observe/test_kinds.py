"""What is kept of each kind of object, and what belongs to what."""

from typing import Any

import pytest

from fixtures.objects import UID, cr, pod
from kubernel_api.constants import ANNOTATION_INCARNATION, LABEL_KERNEL_ID
from kubernel_operator.build.service import build_service
from kubernel_operator.observe.cache import Store
from kubernel_operator.observe.kinds import INSTANCES, LEASES, PODS, SERVICES
from kubernel_operator.observe.pod_facts import pod_facts


def test_what_is_kept_of_a_pod() -> None:
    full = pod(1)
    full["metadata"] |= {"labels": {"a": "b"}, "managedFields": [{}], "creationTimestamp": "2026-11-25T00:00:00Z"}
    full["metadata"]["annotations"]["example.org/x"] = "x"
    sizes = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
    gpu = {"limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}, "requests": {"cpu": "1"}}
    full["spec"]["containers"] = [
        {"name": "proxy", "resources": gpu},
        {"name": "kernel", "env": [{"name": "LARGE"}], "resources": gpu},
    ]
    full["status"]["hostIP"] = "10.0.0.1"
    full["status"]["containerStatuses"][0]["containerID"] = "containerd://0"
    kept = PODS.cut(full)
    assert kept == {
        **pod(1),
        "metadata": {**pod(1)["metadata"], "labels": {}, "creationTimestamp": "2026-11-25T00:00:00Z"},
        "spec": {**pod(1)["spec"], "containers": [{"name": "kernel", "resources": sizes}]},
    }


def test_volumes_are_kept_while_a_pod_waits_for_its_node() -> None:
    waits = pod(phase="Pending", scheduled={}, nominatedNodeName="node1")
    volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "home"}}, {"name": "x", "emptyDir": {}}]
    waits["spec"]["volumes"] = volumes
    facts = pod_facts(PODS.cut(waits))
    assert (facts.claims, facts.nominated) == (("home",), "node1")
    waits["spec"]["nodeName"] = "node1"
    assert "volumes" not in PODS.cut(waits)["spec"]


def test_the_last_output_is_kept_from_its_end() -> None:
    ended = pod(state={"terminated": {"exitCode": 1, "message": "x" * 5000 + "the end"}})
    message = PODS.cut(ended)["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    assert message == ("x" * 5000 + "the end")[-2048:]


def test_spec_and_status_of_a_kernel_instance_are_kept() -> None:
    full = cr(image="i", restartGeneration=2, status={"phase": "Running"}, labels={LABEL_KERNEL_ID: "1", "a": "b"})
    full["metadata"] |= {"annotations": {"a": "x" * 9000}, "managedFields": [{}], "finalizers": ["example.org/f"]}
    kept = INSTANCES.cut(full)
    assert (kept["spec"], kept["status"]) == (full["spec"], full["status"])
    assert kept["metadata"] == cr()["metadata"] | {
        "labels": {LABEL_KERNEL_ID: "1"},
        "finalizers": ["example.org/f"],
    }


def test_a_lease_is_its_time_and_its_holder() -> None:
    lease = {
        "metadata": {"name": "l", "namespace": "ns", "uid": "u", "annotations": {"a": "x" * 9000}},
        "spec": {"holderIdentity": "h", "leaseDurationSeconds": 60, "renewTime": "t", "strategy": "s"},
    }
    assert LEASES.cut(lease) == {
        "metadata": {"name": "l", "namespace": "ns", "uid": "u"},
        "spec": {"holderIdentity": "h", "leaseDurationSeconds": 60, "renewTime": "t"},
    }


@pytest.mark.parametrize(
    ("name", "owner", "owned_by"),
    [
        pytest.param("k1-1", {}, "k1", id="the operator's own"),
        pytest.param("k1-12", {}, "k1", id="of a later incarnation"),
        pytest.param("x-999", {}, None, id="a name of somebody else's"),
        pytest.param("k1-01", {}, None, id="no number as we write it"),
        pytest.param("k1-", {}, None, id="no number"),
        pytest.param("k1-1-2", {}, None, id="of another KernelInstance"),
        pytest.param("k1-1", {"controller": False}, None, id="an owner that does not control"),
        pytest.param("k1-1", {"kind": "Job"}, None, id="owned by something else"),
    ],
)
def test_the_owner_of_a_pod(name: str, owner: dict[str, Any], owned_by: str | None) -> None:
    found = pod()
    found["metadata"]["name"] = name
    found["metadata"]["ownerReferences"][0] |= owner
    assert PODS.link(found) == owned_by


def test_the_owner_of_a_service() -> None:
    service = build_service(cr())
    assert SERVICES.link(service) == "k1"
    service["metadata"]["name"] = "postgres"
    assert SERVICES.link(service) is None


@pytest.mark.parametrize("odd", ["x", "", "-1", "1.5", "\u0663", "9" * 17, str(2**53 + 1)])
def test_an_annotation_that_is_no_number(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    """It counts as 0 and is told once, not in every pass."""
    store = Store(PODS)
    for version in (20, 21, 22):
        found = pod(2, owner=UID, version=version)
        found["metadata"]["annotations"][ANNOTATION_INCARNATION] = odd
        store.put(found)
    (kept,) = store.values()
    assert ANNOTATION_INCARNATION not in kept["metadata"]["annotations"]
    assert len(caplog.records) == 1
    assert "ns/k1-2: its annotation kubernel.dev/incarnation is no number" in caplog.text
