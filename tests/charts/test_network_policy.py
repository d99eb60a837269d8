"""NetworkPolicies name the ports and labels that the operator gives its pods."""

from collections.abc import Callable

import pytest

from kubernel_api import constants
from kubernel_operator.build.pod import build_pod
from kubernel_operator.settings import Settings

from .conftest import CHART, Object, Render

VALUES = CHART / "ci" / "network-policy-values.yaml"
KERNEL_LABELS = {
    constants.LABEL_MANAGED_BY: constants.LABEL_MANAGED_BY_VALUE,
    constants.LABEL_COMPONENT: constants.LABEL_COMPONENT_VALUE,
}
OPERATOR_LABELS = {
    "app.kubernetes.io/name": "kubernel",
    "app.kubernetes.io/instance": "kubernel",
    "app.kubernetes.io/component": "operator",
}
Find = Callable[..., Object]


def test_switched_off(render: Render) -> None:
    assert [o for o in render(None, "--set=networkPolicy.enabled=false") if o["kind"] == "NetworkPolicy"] == []


def policies(render: Render, *values: str) -> dict[str, Object]:
    """The kernels' policies by namespace."""
    return {
        o["metadata"]["namespace"]: o["spec"]
        for o in render(None, *(f"--set={value}" for value in values))
        if o["kind"] == "NetworkPolicy" and o["metadata"]["name"].endswith("-kernels")
    }


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a label selector matches, as in an API server; an empty one matches all."""
    exact = (selector or {}).get("matchLabels", {})
    for rule in (selector or {}).get("matchExpressions", []):
        if (labels.get(rule["key"]) in rule["values"]) is not (rule["operator"] == "In"):
            return False
    return all(labels.get(key) == value for key, value in exact.items())


def may_reach(policy: Object, namespace: str, labels: dict[str, str], home: str) -> bool:
    """Whether a pod in ``namespace`` may reach the kernels of ``home``."""
    (rule,) = policy["ingress"]
    for peer in rule["from"]:
        if "ipBlock" in peer:
            continue
        its = peer.get("namespaceSelector")
        is_there = namespace == home if its is None else selects(its, {"kubernetes.io/metadata.name": namespace})
        if is_there and selects(peer.get("podSelector"), labels):
            return True
    return False


def kernel_labels() -> dict[str, str]:
    """Those that the operator gives a kernel's pod."""
    instance = {"metadata": {"name": "k", "namespace": "kernels", "uid": "u"}, "spec": {}}
    pod = build_pod(
        instance, Settings(default_image="i"), incarnation=1, callback_url=None, pod_secret="s", supervisor_map="m"
    )
    return dict(pod["metadata"]["labels"])


def operator_labels(render: Render) -> dict[str, str]:
    """Those of the operator's pods."""
    (deployment,) = (o for o in render() if o["kind"] == "Deployment")
    return dict(deployment["spec"]["template"]["metadata"]["labels"])


HUB = [
    "clientRole.subjects[0].kind=ServiceAccount",
    "clientRole.subjects[0].name=s",
    "clientRole.subjects[0].namespace",
]
SERVER = {"component": "singleuser-server", "app": "jupyterhub"}
CASES = {
    "no kernels' namespaces": ([], {}),
    "servers' namespace is known": (
        ["clientRole.namespaces={kernels}", *HUB[:2], f"{HUB[2]}=hub"],
        {"server in hub": True, "server elsewhere": False, "kernel elsewhere": False},
    ),
    "servers beside their kernels": (
        ["clientRole.namespaces={kernels}", *HUB[:2], f"{HUB[2]}=kernels"],
        {"server beside": True, "server in hub": False},
    ),
    "nobody knows who the servers are": (
        ["clientRole.namespaces={kernels}", "clientRole.subjects[0].kind=User", "clientRole.subjects[0].name=jane"],
        {"server in hub": True, "server elsewhere": True, "server beside": True},
    ),
    "peers are named": (
        [
            "networkPolicy.kernels.namespaces={kernels}",
            "networkPolicy.kernels.allowFrom[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=hub",
        ],
        {"server in hub": True, "server elsewhere": False},
    ),
}


@pytest.mark.parametrize(("values", "expected"), CASES.values(), ids=CASES)
def test_who_may_reach_a_kernel(render: Render, values: list[str], expected: dict[str, bool]) -> None:
    """By the labels that pods have: a kernel never reaches another one, the operator all."""
    found = policies(render, *values)
    assert sorted(found) == (["kernels"] if expected else [])
    kernel = kernel_labels()
    pods = {
        "operator": ("system", operator_labels(render)),
        "kernel beside": ("kernels", kernel),
        "kernel elsewhere": ("hub", kernel),
        "server in hub": ("hub", SERVER),
        "server beside": ("kernels", SERVER),
        "server elsewhere": ("other", SERVER),
    }
    always = {"operator": True, "kernel beside": False} if expected else {}
    for name, is_allowed in {**always, **expected}.items():
        namespace, labels = pods[name]
        assert may_reach(found["kernels"], namespace, labels, "kernels") is is_allowed, name
    for policy in found.values():
        assert selects(policy["podSelector"], kernel)
        assert policy["policyTypes"] == ["Ingress"]


def test_callbacks_by_a_url_come_from_anywhere(find: Find) -> None:
    policy = find("NetworkPolicy", "kubernel", None, "--set=callback.url=http://example.org/v1/callback")
    assert policy["spec"]["ingress"][0] == {"ports": [{"port": "callback", "protocol": "TCP"}]}


def test_kernels(find: Find) -> None:
    ports = sorted([*constants.PORTS.values(), constants.CONTROL_PORT])
    assert ports == list(range(ports[0], ports[-1] + 1))
    policy = find("NetworkPolicy", "kubernel-system-kernels", VALUES)
    assert policy["metadata"]["namespace"] == "kernels-a"
    assert policy["spec"] == {
        "podSelector": {"matchLabels": KERNEL_LABELS},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "ports": [{"port": ports[0], "endPort": ports[-1], "protocol": "TCP"}],
                "from": [
                    {"podSelector": {"matchLabels": {"component": "singleuser-server"}}},
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "system"}},
                        "podSelector": {"matchLabels": OPERATOR_LABELS},
                    },
                ],
            }
        ],
    }


def test_operator(find: Find) -> None:
    assert find("NetworkPolicy", "kubernel", VALUES)["spec"] == {
        "podSelector": {"matchLabels": OPERATOR_LABELS},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "ports": [{"port": "callback", "protocol": "TCP"}],
                "from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": KERNEL_LABELS}}],
            },
            {"ports": [{"port": "health", "protocol": "TCP"}]},
            {
                "ports": [{"port": "metrics", "protocol": "TCP"}],
                "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            },
        ],
    }
