"""What only admission can refuse. Each rule has an object that it refuses, with its sentence, and one that it admits.

Nothing is stored: all objects are created by a dry run, in the name of a notebook server or of the operator.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.jupyter_server import ACCOUNT, client_role
from fixtures.kubectl import Kubectl, Object
from fixtures.operator_release import NAMESPACE, RELEASE, OperatorRelease
from fixtures.waiting import wait_until

from .conftest import claim

CONTAINER = {"name": "kernel", "image": "i"}
Try = Callable[[Object], str]
BOUNDS = {
    "images": ["registry.example.org/*"],
    "claims": ["home-*"],
    "maxActiveDeadlineSeconds": 3600,
    "maxIdleTimeoutSeconds": 600,
    "maxStartDeadlineSeconds": 900,
    "maxTtlSecondsAfterFinished": 300,
}


def create_as(kubectl: Kubectl, user: str) -> Try:
    """Creates an object in somebody's name, and keeps nothing; what was said against it, or ""."""

    def try_(obj: Object) -> str:
        done = kubectl("create", f"--as={user}", "--dry-run=server", "--filename=-", stdin=json.dumps(obj), check=False)
        return "" if done.returncode == 0 else done.stderr

    return try_


@pytest.fixture(scope="module")
def template(kubectl: Kubectl, operator: OperatorRelease, module_namespace: str) -> Iterator[str]:
    """A template with bounds that the namespace's notebook server may use, and policies that know it."""
    name, there = f"t-{secrets.token_hex(4)}", kubectl.within(operator.namespace)
    namespace, here = module_namespace, kubectl.within(module_namespace)
    here.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}, *client_role(namespace))
    rule = {"apiGroups": ["kubernel.dev"], "resources": ["kerneltemplates"], "resourceNames": [name], "verbs": ["use"]}
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    there.apply(
        {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelTemplate", "metadata": {"name": name}}
        | {"spec": {"bounds": BOUNDS}},
        {**head, "kind": "Role", "rules": [rule]},
        {**head, "kind": "RoleBinding", "roleRef": ref, "subjects": [subject]},
    )
    try_ = create_as(here, f"system:serviceaccount:{namespace}:{ACCOUNT}")
    wait_until("the policies", lambda: "images of" in try_(instance(name, image="quay.io/x")), seconds=60)
    yield name
    there("delete", "kerneltemplates,roles,rolebindings", f"--field-selector=metadata.name={name}", "--wait=false")


def instance(template: str, **spec: Any) -> Object:
    """A KernelInstance of a template, or of none."""
    return {
        "apiVersion": "kubernel.dev/v1beta1",
        "kind": "KernelInstance",
        "metadata": {"name": "k"},
        "spec": {"templateName": template, **spec} if template else spec,
    }


@pytest.fixture
def try_(kubectl: Kubectl, module_namespace: str) -> Try:
    """What the namespace's notebook server is told when it wants to create an object."""
    return create_as(kubectl.within(module_namespace), f"system:serviceaccount:{module_namespace}:{ACCOUNT}")


def test_a_template_is_for_those_who_may_use_it(try_: Try, template: str) -> None:
    assert try_(instance(template)) == ""
    said = try_(instance("another"))
    assert "spec.templateName: you may not use KernelTemplate another; it takes the verb use on it in namespace" in said
    plain = {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": "k"}, "spec": {}}
    assert try_(plain) == ""


@pytest.mark.parametrize(
    ("bad", "good", "words"),
    [
        (
            {"image": "quay.io/x"},
            {"image": "registry.example.org/x:1"},
            "spec.image: quay.io/x is not allowed; images of",
        ),
        ({"volumes": claim("b")}, {"volumes": claim("home-a")}, "spec.volumes: a claim is not allowed; claims of"),
        (
            {"lifecycle": {"activeDeadlineSeconds": 3601}},
            {"lifecycle": {"activeDeadlineSeconds": 3600}},
            "spec.lifecycle.activeDeadlineSeconds: 3601 is more than 3600, maxActiveDeadlineSeconds of",
        ),
        (
            {"lifecycle": {"idleTimeoutSeconds": 601}},
            {"lifecycle": {"idleTimeoutSeconds": 600}},
            "spec.lifecycle.idleTimeoutSeconds: 601 is more than 600, maxIdleTimeoutSeconds of",
        ),
        (
            {"lifecycle": {"startDeadlineSeconds": 901}},
            {"lifecycle": {"startDeadlineSeconds": 900}},
            "spec.lifecycle.startDeadlineSeconds: 901 is more than 900, maxStartDeadlineSeconds of",
        ),
        (
            {"lifecycle": {"ttlSecondsAfterFinished": 301}},
            {"lifecycle": {"ttlSecondsAfterFinished": 300}},
            "spec.lifecycle.ttlSecondsAfterFinished: 301 is more than 300, maxTtlSecondsAfterFinished of",
        ),
    ],
    ids=["image", "claim", "deadline", "idle", "start", "ttl"],
)
def test_bounds_are_said_at_once(try_: Try, template: str, bad: Object, good: Object, words: str) -> None:
    assert f"{words} KernelTemplate {template}" in try_(instance(template, **bad))
    assert try_(instance(template, **good)) == ""


def child(kind: str, *, owned: bool = True, namespace: str = "", name: str = "x", **fields: Any) -> Object:
    """What the operator might create."""
    owner = {
        "apiVersion": "kubernel.dev/v1beta1",
        "kind": "KernelInstance",
        "name": "x",
        "uid": "u",
        "controller": True,
    }
    metadata: Object = {"name": name} | ({"namespace": namespace} if namespace else {})
    metadata |= {"ownerReferences": [owner]} if owned else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


def pod(**spec: Any) -> Object:
    return {"spec": {"containers": [CONTAINER], **spec}}


def supervisor(name: str = f"kubernel-supervisor-{'0a' * 16}", **fields: Any) -> Object:
    """The ConfigMap with a supervisor, as the operator makes it."""
    labels = {"app.kubernetes.io/managed-by": "kubernel"}
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
    return {**head, "immutable": True, "data": {"supervisor.py": ""}, **fields}


CONFIG_MAPS = "the operator may create and delete the ConfigMaps kubernel-supervisor-* only, and create them immutable"
SERVICE = {"spec": {"ports": [{"port": 1}]}}
SECRETS = "the operator may create Secrets of the types kubernel.dev/* only, and its own key"
TOKEN = {"kubernetes.io/service-account.name": "x"}
CHILDREN = "the operator may create, change, resize and delete children of KernelInstances and KernelPools only"
SERVICES = "the operator's Services are of type ClusterIP and have no external addresses"
HOST = "kernels' pods have no host namespaces, ports or hostPath volumes and no privileged containers"


@pytest.mark.parametrize(
    ("bad", "good", "words"),
    [
        pytest.param(child("Pod", owned=False, **pod()), None, CHILDREN, id="pod"),
        pytest.param(child("Service", owned=False, **SERVICE), child("Service", **SERVICE), CHILDREN, id="service"),
        pytest.param(
            child("Secret", owned=False, type="kubernel.dev/pod"),
            child("Secret", type="kubernel.dev/pod"),
            CHILDREN,
            id="secret",
        ),
        pytest.param(
            child("Secret", type="Opaque"),
            child("Secret", type="kubernel.dev/connection"),
            SECRETS,
            id="type of a secret",
        ),
        pytest.param(
            {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token"}
            | {"metadata": {"name": f"{RELEASE}-token", "namespace": NAMESPACE, "annotations": TOKEN}},
            None,
            SECRETS,
            id="its own key as a token of an account",
        ),
        pytest.param(supervisor(name="mine"), supervisor(), CONFIG_MAPS, id="name of a ConfigMap"),
        pytest.param(supervisor(immutable=False), None, CONFIG_MAPS, id="a ConfigMap that can be changed"),
        pytest.param(supervisor(data={"x": ""}), None, CONFIG_MAPS, id="content of a ConfigMap"),
        pytest.param(
            child("Secret", namespace="kube-system", type="kubernel.dev/pod"),
            None,
            "the operator has no business in the namespaces kube-*",
            id="kube-system",
        ),
        pytest.param(child("Pod", **pod(hostPID=True)), None, HOST, id="host namespace"),
        pytest.param(
            child("Pod", **pod(volumes=[{"name": "h", "hostPath": {"path": "/"}}])), None, HOST, id="hostPath"
        ),
        pytest.param(
            child("Pod", **pod(containers=[{**CONTAINER, "securityContext": {"privileged": True}}])),
            None,
            HOST,
            id="privileged",
        ),
        pytest.param(
            child("Pod", **pod(containers=[{**CONTAINER, "ports": [{"containerPort": 1, "hostPort": 1}]}])),
            None,
            HOST,
            id="port of the host",
        ),
        pytest.param(
            child("Service", spec={**SERVICE["spec"], "type": "LoadBalancer"}),
            child("Service", spec={**SERVICE["spec"], "clusterIP": "None"}),
            SERVICES,
            id="type of a service",
        ),
        pytest.param(
            child("Service", spec={**SERVICE["spec"], "externalIPs": ["192.0.2.1"]}),
            None,
            SERVICES,
            id="external address",
        ),
    ],
)
def test_the_operators_account_makes_children_of_kernel_instances_only(
    kubectl: Kubectl, operator: OperatorRelease, namespace: str, bad: Object, good: Object | None, words: str
) -> None:
    # Or Pod Security would be the first to refuse.
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=privileged", "--overwrite")
    where = bad["metadata"].get("namespace") or namespace
    user = f"system:serviceaccount:{operator.namespace}:{operator.name}"
    assert words in create_as(kubectl.within(where), user)(bad)
    if good is not None:
        assert create_as(kubectl.within(namespace), user)(good) == ""


def test_the_operators_account_deletes_and_changes_no_other_pod(
    kubectl: Kubectl, operator: OperatorRelease, namespace: str
) -> None:
    user = f"--as=system:serviceaccount:{operator.namespace}:{operator.name}"
    there = kubectl.within(operator.namespace)
    other = there.text("get", "pods", "--output=jsonpath={.items[0].metadata.name}")
    for arguments in (["delete", "pod", other], ["label", "pod", other, "a=b"]):
        done = there(*arguments, user, "--dry-run=server", check=False)
        assert CHILDREN in done.stderr


def test_the_operators_account_changes_annotations_of_kernels_pods_and_nothing_else(
    kubectl: Kubectl, operator: OperatorRelease, namespace: str
) -> None:
    here = kubectl.within(namespace)
    here.apply(instance("", image="i", nodeSelector={"kubernel.test/none": "x"}))
    wait_until("its pod", lambda: here.items("pods"), seconds=60)
    name = here.only("pods")["metadata"]["name"]
    user = f"--as=system:serviceaccount:{operator.namespace}:{operator.name}"

    def patch(change: Object) -> str:
        arguments = ["patch", "pod", name, f"--patch={json.dumps(change)}", user, "--dry-run=server"]
        return str(here(*arguments, check=False).stderr)

    assert patch({"metadata": {"annotations": {"kubernel.dev/woken": "1"}}}) == ""
    words = "the operator may change what comes from a KernelPool, and a pod's annotations, only"
    assert words in patch({"metadata": {"labels": {"of": "x"}}})
    assert words in patch({"spec": {"containers": [{"name": CONTAINER["name"], "image": "other"}]}})


def test_the_operators_account_deletes_no_other_config_map(
    kubectl: Kubectl, operator: OperatorRelease, namespace: str
) -> None:
    user = f"--as=system:serviceaccount:{operator.namespace}:{operator.name}"
    done = kubectl.within(namespace)("delete", "configmap", "kube-root-ca.crt", user, "--dry-run=server", check=False)
    assert CONFIG_MAPS in done.stderr
