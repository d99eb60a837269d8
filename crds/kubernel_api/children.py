"""What all children of a KernelInstance have in common: owner, labels, namespace; and its Secrets. Pure."""

from __future__ import annotations

from typing import Any

from .constants import (
    API_VERSION,
    KIND,
    LABEL_COMPONENT,
    LABEL_COMPONENT_VALUE,
    LABEL_INSTANCE,
    LABEL_KERNEL_ID,
    LABEL_MANAGED_BY,
    LABEL_MANAGED_BY_VALUE,
)


def child_metadata(cr: dict[str, Any], name: str) -> dict[str, Any]:
    """Metadata of a child, owned so that garbage collection deletes it with its owner.

    ``blockOwnerDeletion`` stays false: true would need the right to update the owner's finalizers where the admission
    plugin OwnerReferencesPermissionEnforcement is on.
    """
    owner = cr["metadata"]
    return {
        "name": name,
        "namespace": owner["namespace"],
        "labels": {
            LABEL_MANAGED_BY: LABEL_MANAGED_BY_VALUE,
            LABEL_COMPONENT: LABEL_COMPONENT_VALUE,
            LABEL_INSTANCE: owner["name"],
        },
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": owner["name"],
                "uid": owner["uid"],
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }


def pod_labels(cr: dict[str, Any]) -> dict[str, str]:
    """Labels that a KernelInstance hands on to its Pod, where people look for them, and to no other child."""
    labels = cr["metadata"].get("labels") or {}
    return {name: labels[name] for name in (LABEL_KERNEL_ID,) if labels.get(name)}


def child_secret(cr: dict[str, Any], name: str, type_: str, data: dict[str, str]) -> dict[str, Any]:
    """A Secret of a KernelInstance. Immutable, so the kubelet reads it once and watches nothing.

    Args:
        cr: the KernelInstance as the API server gave it.
        name: of the Secret.
        type_: of the Secret.
        data: texts by key.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": child_metadata(cr, name),
        "type": type_,
        "immutable": True,
        "stringData": data,
    }
