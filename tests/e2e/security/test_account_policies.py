"""Policies that the tests' release has not: of users with accounts of their own, and of kernels without a template.

The chart renders them; they are bound to the test's namespace alone. Each rule refuses an object and admits another.
"""

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from fixtures.cluster import REPO, program
from fixtures.kubectl import Kubectl, Object
from fixtures.waiting import wait_until

from .conftest import as_user
from .conftest import claim as claim_of

SECONDS = 60.0
VALUES = {
    "kernelBounds": {
        "images": ["registry.example.org/*", "x"],
        "imagePullSecrets": ["pull-*"],
        "claims": ["claim-*", "shared"],
        "env": ["A*"],
        "nodeSelectorKeys": [],
        "tolerationKeys": ["gpu"],
        "priorityClasses": ["low"],
        "runtimeClasses": ["gvisor"],
        "maxResources": {"memory": "4Gi", "nvidia.com/gpu": 0},
        "maxIdleTimeoutSeconds": 600,
    },
    "policies": {"accounts": {"owners": True, "claims": ["claim-{user}", "shared"], "prefix": "hub-"}},
}
PATTERNS = "of the operator's kernelBounds has"


def policies(namespace: str) -> list[Object]:
    """What the chart makes of VALUES, under a name of its own, and for that namespace alone."""
    shown = [f"--show-only=templates/policies/{name}.yaml" for name in ("kernel-bounds", "accounts")]
    release = f"p-{secrets.token_hex(4)}"
    text = subprocess.run(
        [program("helm"), "template", release, REPO / "helm" / "kubernel", "--values=-", *shown],
        input=json.dumps(VALUES),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = [each for each in yaml.safe_load_all(text) if each]
    for each in found:
        if each["kind"].endswith("Binding"):
            here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
            each["spec"]["matchResources"] = {"namespaceSelector": here}
    return found


def instance(owner: str | None = "alice/default", name: str = "k", **spec: Any) -> Object:
    head = {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": name}}
    return {**head, "spec": {**spec, **({"owner": owner} if owner else {})}}


@pytest.fixture(scope="module")
def here(kubectl: Kubectl, module_namespace: str) -> Kubectl:
    """An administrator's: bounds are for all, accounts are not."""
    return kubectl.within(module_namespace)


@pytest.fixture(scope="module")
def user(kubectl: Kubectl, operator: object, here: Kubectl) -> Iterator[Callable[[str], Kubectl]]:
    """``user("alice")``: kubectl in her name. All users may do all with KernelInstances, for all that RBAC says."""
    namespace = here.namespace or ""
    made = policies(namespace)
    here("create", "role", "user", "--verb=*", "--resource=kernelinstances.kubernel.dev")
    here("create", "rolebinding", "user", "--role=user", f"--group=system:serviceaccounts:{namespace}")
    kubectl.apply(*made)

    def as_account(name: str) -> Kubectl:
        return as_user(here, f"system:serviceaccount:{namespace}:hub-{name}", f"system:serviceaccounts:{namespace}")

    def is_in_force() -> bool:  # of several policies that refuse, the API server names one
        said = refusal(as_account("alice"), instance("bob", image="x")), refusal(here, instance(image="y"))
        return "spec.owner" in said[0] and "spec.image" in said[1]

    try:
        wait_until("the policies", is_in_force, seconds=SECONDS)
        yield as_account
    finally:
        for each in made:
            kubectl("delete", each["kind"], each["metadata"]["name"], "--wait=false")


def refusal(kubectl: Kubectl, obj: Object) -> str:
    """What is said against creating it; "" for nothing. It is not kept."""
    done = kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(obj), check=False)
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize(
    ("bad", "good", "words"),
    [
        (
            {"image": "quay.io/x"},
            {"image": "registry.example.org/x:1"},
            f"spec.image: quay.io/x is not allowed; images {PATTERNS}",
        ),
        ({"image": "registryXexample.org/x"}, {"image": "x"}, "spec.image: registryXexample.org/x is not allowed"),
        (
            {"imagePullSecrets": [{"name": "other"}]},
            {"imagePullSecrets": [{"name": "pull-a"}]},
            f"spec.imagePullSecrets: other is not allowed; imagePullSecrets {PATTERNS}",
        ),
        (
            {"volumes": claim_of("b")},
            {"volumes": claim_of("shared")},
            f"spec.volumes: b is not allowed; claims {PATTERNS}",
        ),
        (
            {"env": [{"name": "A1"}, {"name": "B"}]},
            {"env": [{"name": "A1"}]},
            f"spec.env: B is not allowed; env {PATTERNS} A*",
        ),
        ({"nodeSelector": {"a": "b"}}, {}, f"spec.nodeSelector: a is not allowed; nodeSelectorKeys {PATTERNS} none"),
        (
            {"tolerations": [{"key": "other", "operator": "Exists"}]},
            {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
            f"spec.tolerations: other is not allowed; tolerationKeys {PATTERNS} gpu",
        ),
        ({"priorityClassName": "high"}, {"priorityClassName": "low"}, "spec.priorityClassName: high is not allowed"),
        ({"runtimeClassName": "runc"}, {"runtimeClassName": "gvisor"}, "spec.runtimeClassName: runc is not allowed"),
        (
            {"resources": {"limits": {"memory": "4097Mi"}}},
            {"resources": {"limits": {"memory": "4096Mi", "cpu": 64}}},
            "spec.resources: more memory than 4Gi, maxResources of the operator's kernelBounds",
        ),
        (
            {"resources": {"limits": {"nvidia.com/gpu": 1}}},
            {"resources": {"limits": {"nvidia.com/gpu": 0}}},
            "spec.resources: more nvidia.com/gpu than 0",
        ),
        (
            {"lifecycle": {"idleTimeoutSeconds": 601}},
            {"lifecycle": {"idleTimeoutSeconds": 600}},
            "spec.lifecycle.idleTimeoutSeconds: 601 is more than 600, maxIdleTimeoutSeconds of the operator's",
        ),
    ],
)
def test_bounds_of_kernels_without_a_template(
    here: Kubectl, user: Callable[[str], Kubectl], bad: Object, good: Object, words: str
) -> None:
    assert words in refusal(here, instance(**bad))
    assert refusal(here, instance(**good)) == ""


def test_whose_kernels(user: Callable[[str], Kubectl], here: Kubectl) -> None:
    alice, bob = user("alice"), user("bob")
    for owner in (None, "bob", "bob/alice", "alicea", "/alice"):
        assert "spec.owner: must be alice or alice/SERVER, as your account is called" in refusal(alice, instance(owner))
    for owner in ("alice", "alice/default"):
        assert refusal(alice, instance(owner)) == ""
    # Never ready: no kernel is needed here.
    alice.apply(instance(image="x"))
    try:
        rename = ("patch", "kernel", "k", "--type=merge", "--patch")
        change = '{"spec": {"restartGeneration": 1}}'
        for attempt in (
            ("delete", "kernel", "k", "--wait=false"),
            (*rename, change),
            (*rename, '{"spec": {"owner": "bob"}}'),
        ):
            assert "this kernel is not bob's: spec.owner is alice/default" in bob(*attempt, check=False).stderr
        assert "spec.owner: must be alice" in alice(*rename, '{"spec": {"owner": "bob"}}', check=False).stderr
        alice(*rename, change)
        alice("delete", "kernel", "k", "--wait=false")
    finally:
        here("delete", "kernel", "k", "--ignore-not-found")


def test_claims_of_accounts(user: Callable[[str], Kubectl]) -> None:
    alice = user("alice")
    assert "spec.volumes: you may mount claim-alice, shared" in refusal(alice, instance(volumes=claim_of("claim-bob")))
    for name in ("claim-alice", "shared"):
        assert refusal(alice, instance(volumes=claim_of(name))) == ""
