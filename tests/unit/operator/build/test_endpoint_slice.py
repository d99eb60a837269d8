"""The EndpointSlices of the callback Service."""

from kubernel_operator.build.endpoint_slice import build_endpoint_slice

SERVICE = {
    "metadata": {"name": "kubernel-callbacks", "namespace": "system", "uid": "service-1"},
    "spec": {"ports": [{"name": "callback", "port": 8443}]},
}


def test_it_belongs_to_the_service() -> None:
    """kube-proxy finds it by its label, the cluster's own controller leaves it alone, and it goes with the Service."""
    metadata = build_endpoint_slice(SERVICE, "IPv4", ["10.0.0.7"], 8443)["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("kubernel-callbacks-ipv4", "system")
    assert metadata["labels"]["kubernetes.io/service-name"] == "kubernel-callbacks"
    assert metadata["labels"]["endpointslice.kubernetes.io/managed-by"] == "kubernel-operator"
    assert [(o["kind"], o["uid"]) for o in metadata["ownerReferences"]] == [("Service", "service-1")]


def test_it_leads_to_the_pod() -> None:
    made = build_endpoint_slice(SERVICE, "IPv6", ["fd00::7"], 9443)
    assert made["addressType"] == "IPv6"
    assert [(e["addresses"], e["conditions"]["ready"]) for e in made["endpoints"]] == [(["fd00::7"], True)]
    assert made["ports"] == [{"name": "callback", "port": 9443, "protocol": "TCP"}]
