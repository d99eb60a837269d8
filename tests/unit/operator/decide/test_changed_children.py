"""What has to arrive of a pod or Service as the operator sent it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.objects import POD_SECRET, SETTINGS, SUPERVISOR_MAP, cr
from kubernel_api.conditions import Reason
from kubernel_operator.build.pod import build_pod
from kubernel_operator.build.service import build_service
from kubernel_operator.decide.changed_children import refusal_of_changed

POD = build_pod(cr(), SETTINGS, incarnation=1, callback_url=None, pod_secret=POD_SECRET, supervisor_map=SUPERVISOR_MAP)
KEPT = "have it leave these alone in objects with the label app.kubernetes.io/managed-by=kubernel"


def harmless(pod: dict[str, Any]) -> None:
    """What service meshes, agents and policies do."""
    spec = pod["spec"]
    pod["metadata"]["labels"]["mesh.example.org/injected"] = "yes"
    pod["metadata"]["annotations"].pop("cluster-autoscaler.kubernetes.io/safe-to-evict", None)
    spec["hostname"], spec["containers"][0]["image"] = "other", "mirror.example.org/kernel:1"
    spec["containers"][0]["env"].append({"name": "HTTPS_PROXY", "value": "http://proxy"})
    spec["containers"][0]["command"] = ["/vault/vault-env", *spec["containers"][0].get("command", [])]
    spec["containers"].insert(0, {"name": "a-proxy", "image": "mesh:1", "ports": [{"containerPort": 15001}]})
    spec["initContainers"] = [{"name": "mesh-init", "image": "mesh:1"}]


def test_what_others_add_is_theirs() -> None:
    made = copy.deepcopy(POD)
    harmless(made)
    assert made != POD
    assert refusal_of_changed(POD, made) is None


def test_one_of_an_earlier_operator_is_good_enough() -> None:
    made = copy.deepcopy(POD)
    made["metadata"]["annotations"]["kubernel.dev/restart-generation"] = "7"
    assert refusal_of_changed(POD, made) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda p: p["metadata"].pop("annotations"),
            "metadata.annotations[kubernel.dev/generation], metadata.annotations[kubernel.dev/incarnation]",
        ),
        (
            lambda p: p["metadata"]["annotations"].pop("kubernel.dev/incarnation"),
            "metadata.annotations[kubernel.dev/incarnation]",
        ),
        (
            lambda p: p["metadata"]["labels"].update({"app.kubernetes.io/managed-by": "Helm"}),
            "metadata.labels[app.kubernetes.io/managed-by]",
        ),
        (lambda p: p["metadata"].pop("ownerReferences"), "metadata.ownerReferences"),
        (lambda p: p["metadata"].update(name="other"), "metadata.name"),
        (lambda p: p["spec"].update(restartPolicy="Always"), "spec.restartPolicy"),
        (lambda p: p["spec"]["containers"][0].update(env=[{"name": "A", "value": "b"}]), "spec.containers[kernel].env"),
        (lambda p: p["spec"]["containers"][0].pop("envFrom"), "spec.containers[kernel].envFrom"),
        (lambda p: p["spec"]["containers"][0].update(name="main"), "spec.containers[kernel]"),
    ],
)
def test_what_no_operator_can_do_without(change: Callable[[dict[str, Any]], object], named: str) -> None:
    made = copy.deepcopy(POD)
    change(made)
    refusal = refusal_of_changed(POD, made)
    assert refusal is not None
    assert refusal.reason is Reason.CONFIG_ERROR
    assert f"somebody changed {named}" in refusal.message
    assert refusal.message.endswith(KEPT)


def test_a_service() -> None:
    service = build_service(cr(), None)
    assert refusal_of_changed(service, copy.deepcopy(service)) is None
    made = copy.deepcopy(service)
    del made["metadata"]["labels"]
    refusal = refusal_of_changed(service, made)
    assert refusal is not None
    assert refusal.message.startswith("Service refused: ")
