"""What the API server does not allow is said in its own words, and tried again where that may help."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from kubernel_api.conditions import ConditionType, is_true

from .conftest import Place
from .fault_proxy import Fault
from .kernels import Kernel, Kernels


def stalled(kernel: Kernel, reason: str) -> str:
    """Message of a kernel that needs a person."""
    status = kernel.reason(reason)
    assert is_true(status, ConditionType.STALLED)
    assert not is_true(status, ConditionType.RECONCILING)
    message: str = status["message"]
    kernel.wait("an Event", lambda: [e["reason"] for e in kernel.events()] == [reason])
    return message


def test_quota(kernels: Kernels) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    path = kernels.path("resourcequotas", "none")
    kernels.api.request("POST", kernels.path("resourcequotas"), {**quota, "spec": {"hard": {"pods": "0"}}})
    kernel = Kernel(kernels, "none")
    try:
        kernel.wait("enforcement", lambda: kernels.api.request("GET", path)["status"].get("hard"))
        kernel = kernels.create()
        status = kernel.reason("QuotaExceeded")
        assert re.search(r"exceeded quota: none, requested: pods=1, used: pods=\d+, limited: pods=0", status["message"])
        assert is_true(status, ConditionType.RECONCILING)
        assert not is_true(status, ConditionType.STALLED)
        kernels.api.request("PATCH", path, {"spec": {"hard": {"pods": "1000"}}})
        kernel.ready()
        kernel.wait("both Events", lambda: sorted(e["reason"] for e in kernel.events()) == ["QuotaExceeded", "Running"])
    finally:
        kernels.api.request("DELETE", path)


def test_pod_security(make_place: Callable[..., Place]) -> None:
    place = make_place("--pod-security-context={}", "--security-context={}")
    message = stalled(place.kernels.create(), "PodSecurityViolation")
    assert message.startswith("Pod refused by Pod Security: ")
    assert "runAsNonRoot != true" in message


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        pytest.param("pods", "Pod", id="pod"),
        pytest.param("services", "Service", id="service"),
        pytest.param("secrets", "Secret", id="secret"),
    ],
)
def test_forbidden(place: Place, resource: str, kind: str) -> None:
    """Until somebody gives the right."""
    place.proxy.rule = lambda request: (
        Fault(user="nobody@example.org") if (request.verb, request.resource) == ("create", resource) else Fault()
    )
    kernel = place.kernels.create(connection={})
    message = stalled(kernel, "Forbidden")
    assert message.startswith(f'{kind} refused: {resource} is forbidden: User "nobody@example.org" cannot create')
    place.proxy.reset()
    kernel.ready()


@pytest.mark.parametrize(
    ("name", "child"),
    [pytest.param("taken-pod", "taken-pod-1", id="pod"), pytest.param("taken", "kernel-taken", id="service")],
)
def test_a_name_that_somebody_else_has(kernels: Kernels, name: str, child: str) -> None:
    resource, body = foreign_service(child) if child.startswith("kernel-") else foreign(child)
    kernels.api.request("POST", kernels.path(resource), body)
    kernel = kernels.create(name, connection={})
    try:
        message = stalled(kernel, "NameConflict")
        assert f'"{child}" already exists; delete it or choose another name' in message
    finally:
        kernels.api.request("DELETE", kernels.path(resource, child), {"gracePeriodSeconds": 0})
    kernel.ready()


def foreign(name: str) -> tuple[str, dict[str, Any]]:
    """A pod that runs nowhere."""
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "c", "image": "example.org/none:1", "securityContext": restricted}
    spec = {"containers": [container], "nodeSelector": {"kubernel.test/nowhere": "true"}}
    return "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def foreign_service(name: str) -> tuple[str, dict[str, Any]]:
    """A Service without endpoints."""
    spec = {"ports": [{"port": 80}]}
    return "services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def test_deleted_and_applied_again(place: Place) -> None:
    """Its predecessor's pod and Service are still there: no conflict, a moment of patience."""
    first = place.kernels.start(name="again", connection={})
    key = first.key()
    first.delete()
    second = place.kernels.create("again", connection={})
    second.ready()
    assert "NameConflict" not in {e["reason"] for e in second.events()}
    second.wait("only its own Secret", lambda: len(second.children("secrets")) == 2)
    assert second.key() != key


@pytest.mark.parametrize("image", ["UPPER/case:1", "localhost/UPPER:1"])
def test_invalid_image_name(kernels: Kernels, image: str) -> None:
    kernel = kernels.create(image=image, imagePullPolicy="IfNotPresent")
    assert stalled(kernel, "InvalidImageName").startswith(f"The image name {image} is not valid: ")


def test_image_that_cannot_be_pulled(kernels: Kernels) -> None:
    kernel = kernels.create(image="localhost/kubernel/none:1")
    status = kernel.reason("ImagePullFailed")
    assert "localhost/kubernel/none:1 cannot be pulled" in status["message"]
    assert not is_true(status, ConditionType.STALLED)


def test_a_volume_that_nobody_makes(kernels: Kernels) -> None:
    """The scheduler chooses a node, and says nothing of the pod until somebody has made the volume there."""
    classes, name = "/apis/storage.k8s.io/v1/storageclasses", kernels.namespace
    made_late = {"metadata": {"name": name}, "provisioner": "nobody.example.org"}
    kernels.api.request("POST", classes, made_late | {"volumeBindingMode": "WaitForFirstConsumer"})
    try:
        size = {"requests": {"storage": "1Gi"}}
        claim = {"storageClassName": name, "accessModes": ["ReadWriteOnce"], "resources": size}
        home = {"metadata": {"name": "home"}, "spec": claim}
        kernels.api.request("POST", kernels.path("persistentvolumeclaims"), home)
        mounts = {"name": "home", "mountPath": "/home", "persistentVolumeClaim": {"claimName": "home"}}
        kernel = kernels.create(volumes=[mounts])
        status = kernel.reason("VolumePending")
        assert re.fullmatch(
            r"The pod waits for its volume: home is to be made for \S+; kubectl describe pvc home", status["message"]
        )
        kernel.delete()
    finally:
        kernels.api.request("DELETE", f"{classes}/{name}")
        kernels.api.request("DELETE", kernels.path("persistentvolumeclaims", "home"))
