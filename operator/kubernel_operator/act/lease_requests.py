"""What is asked of the API server about one Lease."""

from __future__ import annotations

from typing import Any

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_operator.observe.cache import Key
from kubernel_operator.observe.facts import LeaseFacts
from kubernel_operator.observe.sweep import LABEL_SELECTOR


async def read_lease(cluster: Cluster, key: Key) -> dict[str, Any] | None:
    """The Lease, or None when there is none. A LIST of one: it needs no right that a sweep does not need.

    Raises:
        ClusterError: it is not known.
    """
    namespace, name = key
    selectors = {"fieldSelector": f"metadata.name={name}", "labelSelector": LABEL_SELECTOR}
    listing = await cluster.list(paths.leases(namespace), **selectors)
    return next(iter(listing.items), None)


async def delete_lease(cluster: Cluster, lease: LeaseFacts) -> None:
    """Deletes it.

    Raises:
        ClusterError: it was refused, or nothing is known.
    """
    await cluster.delete(f"{paths.leases(lease.namespace)}/{lease.name}", uid=lease.uid)
