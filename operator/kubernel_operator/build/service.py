"""The Service of a KernelInstance: an address that outlives its pods. Pure."""

from __future__ import annotations

from typing import Any

from kubernel_api.children import child_metadata
from kubernel_api.constants import CONTROL_PORT, LABEL_INSTANCE, LABEL_MANAGED_BY, LABEL_MANAGED_BY_VALUE, PORTS
from kubernel_api.names import service_name


def build_service(cr: dict[str, Any], address: str | None = None) -> dict[str, Any]:
    """A selector Service with the five ports and the supervisor's; headless when the KernelInstance says so.

    A headless one costs kube-proxy nothing, and Kubernetes puts no variables about it into the namespace's other pods.

    ``publishNotReadyAddresses`` stays off: it would gain nothing (the kubelet reports address and readiness together)
    and would send clients to an old pod that is stuck in Terminating.

    Args:
        cr: the KernelInstance.
        address: what its clients know it by, when the Service was deleted and is made again.
    """
    name = cr["metadata"]["name"]
    is_headless = (cr["spec"].get("connection") or {}).get("service") == "Headless"
    cluster_ip = "None" if is_headless else address
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": child_metadata(cr, service_name(name)),
        "spec": service_spec({LABEL_MANAGED_BY: LABEL_MANAGED_BY_VALUE, LABEL_INSTANCE: name}, cluster_ip),
    }


def service_spec(selector: dict[str, str], cluster_ip: str | None) -> dict[str, Any]:
    """The spec of a Service with the five ports and the supervisor's.

    Args:
        selector: labels of the pods.
        cluster_ip: "None" for a headless one; None: the API server gives it one.
    """
    ports = {**PORTS, "supervisor": CONTROL_PORT}
    return {
        **({"clusterIP": cluster_ip} if cluster_ip else {}),
        "selector": selector,
        "ports": [{"name": n, "port": p, "targetPort": p, "protocol": "TCP"} for n, p in ports.items()],
    }
