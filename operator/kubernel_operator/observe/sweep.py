"""A LIST of everything: fills the cache at the start, and finds later what the watches lost.

kopf 1.45 says nothing of objects that vanished while a watch was down; a cache fed by it alone keeps them for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kubernel_api.constants import LABEL_MANAGED_BY, LABEL_MANAGED_BY_VALUE
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster

from .cache import Store

LABEL_SELECTOR = f"{LABEL_MANAGED_BY}={LABEL_MANAGED_BY_VALUE}"


async def sweep(
    cluster: Cluster,
    namespaces: Iterable[str | None],
    stores: tuple[Store, Store, Store],
    take: Callable[[str, dict[str, Any]], None],
) -> None:
    """Compares LISTs with the cache.

    Args:
        cluster: the API server.
        namespaces: those that are watched; (None,) for all.
        stores: of KernelInstances, Pods and Leases.
        take: called with "instance" or "pod" and each object that is news or vanished.

    Raises:
        ClusterError: a LIST failed; the cache keeps what it had.
    """
    instances, pods, leases = stores
    for namespace in namespaces:
        # Pods first: a KernelInstance whose pod is not in the cache yet would get a second one.
        pod_list = await cluster.list(paths.core("pods", namespace), labelSelector=LABEL_SELECTOR)
        lease_list = await cluster.list(paths.leases(namespace), labelSelector=LABEL_SELECTOR)
        instance_list = await cluster.list(paths.kernel_instances(namespace))
        changed_pods = pods.replace(pod_list.items, pod_list.version, namespace)
        leases.replace(lease_list.items, lease_list.version, namespace)
        for obj in instances.replace(instance_list.items, instance_list.version, namespace):
            take("instance", obj)
        for obj in changed_pods:
            take("pod", obj)
