"""The Service of a KernelInstance: an address that outlives its pods. Pure."""

from __future__ import annotations

from typing import Any

from kubernel_api.constants import CONTROL_PORT, LABEL_INSTANCE, LABEL_MANAGED_BY, LABEL_MANAGED_BY_VALUE, PORTS
from kubernel_api.names import service_name

from .metadata import child_metadata


def build_service(cr: dict[str, Any]) -> dict[str, Any]:
    """A selector Service with the five ports and the supervisor's; headless when the KernelInstance says so.

    A headless one costs kube-proxy nothing, and Kubernetes puts no variables about it into the namespace's other pods.

    ``publishNotReadyAddresses`` stays off: it would gain nothing (the kubelet reports address and readiness together)
    and would send clients to an old pod that is stuck in Terminating.
    """
    name = cr["metadata"]["name"]
    ports = {**PORTS, "supervisor": CONTROL_PORT}
    headless = {"clusterIP": "None"} if cr["spec"].get("connection", {}).get("service") == "Headless" else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": child_metadata(cr, service_name(name)),
        "spec": {
            **headless,
            "selector": {LABEL_MANAGED_BY: LABEL_MANAGED_BY_VALUE, LABEL_INSTANCE: name},
            "ports": [{"name": n, "port": p, "targetPort": p, "protocol": "TCP"} for n, p in ports.items()],
        },
    }
