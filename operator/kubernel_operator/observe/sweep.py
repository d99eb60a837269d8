"""A LIST of everything: fills the cache at the start, and finds later what the watches lost.

kopf 1.45 says nothing of objects that vanished while a watch was down; a cache fed by it alone keeps them for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from kubernel_api.constants import LABEL_MANAGED_BY, LABEL_MANAGED_BY_VALUE
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError
from kubernel_operator.tasks import all_of

from .cache import Cache, Changed, Key, Store

LABEL_SELECTOR = f"{LABEL_MANAGED_BY}={LABEL_MANAGED_BY_VALUE}"


async def sweep(
    cluster: Cluster,
    namespaces: Iterable[str | None],
    cache: Cache,
    take: Callable[[str, Key], None],
    *,
    at_once: bool = False,
) -> None:
    """Compares LISTs with the cache, page by page: the objects of one page are all that is held beside it.

    Args:
        cluster: the API server.
        namespaces: those that are watched; (None,) for all.
        cache: what is known.
        take: called for each object that is news or vanished, with "instance", "pod" or "service" and
            the key of what it is linked to, or with "lease" or "pool" and its own key.
        at_once: ask for all kinds at the same time, which only those may do of whom nothing acts yet: this process
            reads a page while the API server writes that of another kind, and is ready sooner.

    Raises:
        ClusterError: a LIST failed; the cache keeps what it had of what was not listed yet.
    """
    ours = {"labelSelector": LABEL_SELECTOR}
    for namespace in namespaces:
        # Children first: a KernelInstance whose pod is not in the cache yet would get a second one.
        lists = (
            partial(_listed, cluster, paths.core("pods", namespace), cache.pods, namespace, ours),
            partial(_listed, cluster, paths.core("services", namespace), cache.services, namespace, ours),
            partial(_listed, cluster, paths.leases(namespace), cache.leases, namespace, ours),
            partial(_pools, cluster, cache, namespace),
            partial(_listed, cluster, paths.kernel_instances(namespace), cache.instances, namespace, {}),
        )
        if at_once:
            found = await all_of(*(ask() for ask in lists))
        else:
            found = [await ask() for ask in lists]
        pods, services, leases, pools, instances = found
        for changed in leases:
            take("lease", changed.key)
        for changed in pools:
            take("pool", changed.key)
        for changed in instances:
            take("instance", changed.key)
        for kind, children in (("pod", pods), ("service", services)):
            for changed in children:
                if changed.link is not None:
                    take(kind, (changed.key[0], changed.link))


async def _pools(cluster: Cluster, cache: Cache, namespace: str | None) -> list[Changed]:
    """Without their CRD there are none: kernels do not need it."""
    try:
        return await _listed(cluster, paths.kernel_pools(namespace), cache.pools, namespace, {})
    except ApiError as error:
        if error.status != 404:
            raise
        return []


async def _listed(
    cluster: Cluster, path: str, store: Store[Any], namespace: str | None, selectors: dict[str, str]
) -> list[Changed]:
    relist = store.relist(namespace)
    changed: list[Changed] = []
    async for page in cluster.pages(path, selectors, read=store.read_page):
        changed += relist.page(page.items, page.version)
    return changed + relist.end()
