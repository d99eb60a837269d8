"""NetworkPolicies name the ports and labels that the operator gives its pods."""

from collections.abc import Callable

from kubernel_api import constants

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


def test_none_by_default(render: Render) -> None:
    assert [o for o in render() if o["kind"] == "NetworkPolicy"] == []


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
