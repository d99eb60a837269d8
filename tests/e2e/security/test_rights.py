"""What the API server lets a notebook server and the operator do: the chart's rules and not one more."""

import json

import pytest

from fixtures.jupyter_server import ACCOUNT, client_role
from fixtures.kubectl import Kubectl
from fixtures.operator_release import OperatorRelease

Rights = dict[str, set[str]]
# What everybody may do who has logged in: ask about themselves.
EVERYBODYS = {"authentication.k8s.io", "authorization.k8s.io"}


def rights(kubectl: Kubectl, account: str, namespace: str) -> Rights:
    """What a ServiceAccount ("namespace:name") may do in a namespace: verbs by "resource.group"."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    create = ("create", f"--as=system:serviceaccount:{account}", "--validate=false", "--output=json", "--filename=-")
    found: Rights = {}
    for rule in json.loads(kubectl(*create, stdin=json.dumps(review)).stdout)["status"]["resourceRules"]:
        for group in set(rule["apiGroups"]) - EVERYBODYS:
            for resource in rule["resources"]:
                found.setdefault(f"{resource}.{group}".rstrip("."), set()).update(rule["verbs"])
    return found


@pytest.fixture
def account(kubectl: Kubectl, namespace: str) -> str:
    """A notebook server's ServiceAccount with the chart's Role, as "namespace:name"."""
    here = kubectl.within(namespace)
    here.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}, *client_role(namespace))
    return f"{namespace}:{ACCOUNT}"


def test_a_notebook_server(operator: OperatorRelease, kubectl: Kubectl, account: str, namespace: str) -> None:
    assert rights(kubectl, account, namespace) == {
        "kernelinstances.kubernel.dev": {"create", "get", "list", "watch", "patch", "delete"},
        "secrets": {"create"},
        "leases.coordination.k8s.io": {"create", "patch", "delete"},
        "events": {"list"},
        "kernelpools.kubernel.dev": {"list"},
    }


def test_a_notebook_server_in_other_namespaces(operator: OperatorRelease, kubectl: Kubectl, account: str) -> None:
    assert rights(kubectl, account, "default") == {}
    assert rights(kubectl, account, operator.namespace) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "secrets"),
        ("get", "pods"),
        ("get", "leases"),
        ("get", "secret", "any-name"),
        ("run", "mine", "--image=mine"),
        ("patch", "kernel", "k", "--subresource=status", "--type=merge", '--patch={"status":{"phase":"Running"}}'),
        ("create", "token", ACCOUNT),
    ],
    ids=" ".join,
)
def test_what_a_notebook_server_is_refused(
    operator: OperatorRelease, kubectl: Kubectl, account: str, namespace: str, arguments: tuple[str, ...]
) -> None:
    here = kubectl.within(namespace)
    here.apply({"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": "k"}})
    refused = here(f"--as=system:serviceaccount:{account}", *arguments, check=False)
    assert refused.returncode != 0
    assert "Forbidden" in refused.stderr or "forbidden" in refused.stderr


def test_the_operator_cannot_read_a_kernels_secret(operator: OperatorRelease, kubectl: Kubectl, namespace: str) -> None:
    found = rights(kubectl, f"{operator.namespace}:{operator.name}", namespace)
    assert found["secrets"] == {"create"}
    assert not {"pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token"} & set(found)
