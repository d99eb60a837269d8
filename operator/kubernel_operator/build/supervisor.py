"""The ConfigMap with the supervisor, which the kernels of a namespace share. Pure."""

from __future__ import annotations

from typing import Any

from kubernel_api.constants import (
    CONFIG_MAP_SUPERVISOR,
    LABEL_COMPONENT,
    LABEL_COMPONENT_SUPERVISOR,
    LABEL_MANAGED_BY,
    LABEL_MANAGED_BY_VALUE,
)
from kubernel_api.names import supervisor_map_name
from kubernel_supervisor.bootstrap import supervisor_digest


def build_supervisor_map(namespace: str, supervisor: str) -> dict[str, Any]:
    """The ConfigMap for one version of the supervisor, named by its content.

    Nobody owns it, since it serves many. Immutable, so the kubelet reads it once for all pods of a node.

    Args:
        namespace: of the kernels.
        supervisor: its source.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": supervisor_map_name(supervisor_digest(supervisor)),
            "namespace": namespace,
            "labels": {LABEL_MANAGED_BY: LABEL_MANAGED_BY_VALUE, LABEL_COMPONENT: LABEL_COMPONENT_SUPERVISOR},
        },
        "immutable": True,
        "data": {CONFIG_MAP_SUPERVISOR: supervisor},
    }


def holds_the_same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a ConfigMap that is there is as ``build_supervisor_map`` makes it, and stays so."""
    return all(found.get(field) == wanted[field] for field in ("data", "immutable")) and not found.get("binaryData")
