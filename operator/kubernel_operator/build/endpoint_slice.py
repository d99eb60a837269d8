"""An EndpointSlice of the callback Service. Pure."""

from __future__ import annotations

from typing import Any

MANAGED_BY = "kubernel-operator"


def build_endpoint_slice(service: dict[str, Any], family: str, addresses: list[str], port: int) -> dict[str, Any]:
    """The slice of one family of addresses; it goes when the Service goes.

    Args:
        service: the Service as the API server has it.
        family: "IPv4" or "IPv6".
        addresses: of the pods that get its traffic.
        port: of those pods.
    """
    metadata = service["metadata"]
    owner = {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"]}
    ready = {"ready": True, "serving": True, "terminating": False}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name']}-{family.lower()}",
            "namespace": metadata["namespace"],
            "labels": {
                "kubernetes.io/service-name": metadata["name"],
                # Tells the cluster's own controller that this one is not its own, and to leave it alone.
                "endpointslice.kubernetes.io/managed-by": MANAGED_BY,
            },
            "ownerReferences": [owner],
        },
        "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": ready} for address in addresses],
        "ports": [{"name": service["spec"]["ports"][0]["name"], "port": port, "protocol": "TCP"}],
    }
