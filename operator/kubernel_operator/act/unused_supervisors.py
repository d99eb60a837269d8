"""Deletes the ConfigMaps of supervisors that no pod needs any more: of earlier versions, and of idle namespaces."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from kubernel_api.constants import (
    ANNOTATION_SUPERVISOR,
    LABEL_COMPONENT,
    LABEL_COMPONENT_SUPERVISOR,
    LABEL_MANAGED_BY,
    LABEL_MANAGED_BY_VALUE,
)
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ClusterError
from kubernel_operator.observe.cache import Cache, Key, key_of
from kubernel_operator.observe.pod_facts import pod_facts

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 3600.0
# Ten thousand pods take 0.4 s to read, in which no kernel should have to wait.
PODS_AT_ONCE = 100
SELECTOR = {
    "labelSelector": f"{LABEL_MANAGED_BY}={LABEL_MANAGED_BY_VALUE},{LABEL_COMPONENT}={LABEL_COMPONENT_SUPERVISOR}"
}


class UnusedSupervisors:
    """What was unused twice, an hour apart, and not asked for in between, is deleted.

    The first time, it is forgotten that the ConfigMap is there: a start makes sure again, and takes it off the list.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespaces: tuple[str, ...],
        cache: Cache,
        lock: Callable[[str], asyncio.Lock],
        is_ignored: Callable[[str], bool],
    ) -> None:
        """Asks nothing yet.

        Args:
            cluster: refuses writes of an operator that does not lead.
            namespaces: those that are watched; () for all.
            cache: what is known.
            lock: held while the ConfigMap of a namespace is made, or deleted.
            is_ignored: whether a namespace is somebody else's.
        """
        self._cluster, self._namespaces, self._cache = cluster, namespaces or (None,), cache
        self._lock, self._is_ignored = lock, is_ignored
        self._unused: dict[Key, str] = {}  # with its uid

    async def run(self) -> None:
        """Tidies up again and again. Runs until cancelled."""
        self._unused.clear()  # another operator has led since
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.tidy()
            except ClusterError as error:
                logger.info("Unused ConfigMaps of supervisors were not looked for, which is tried again: %s", error)

    async def tidy(self) -> None:
        """One LIST, of names only, and the deletions that follow from it.

        Raises:
            ClusterError: it is not done.
        """
        before, self._unused = self._unused, {}
        for namespace in self._namespaces:
            if namespace is not None and self._is_ignored(namespace):
                continue
            path = paths.core("configmaps", namespace)
            async for page in self._cluster.pages(path, SELECTOR, metadata_only=True):
                used = await self._used()
                for found in page.items:
                    key, uid = key_of(found), found["metadata"]["uid"]
                    if self._is_ignored(key[0]) or key in used:
                        continue
                    if before.get(key) == uid:
                        await self._delete(key, uid)
                    else:
                        self._unused[key] = uid
                        self._cache.supervisors.pop(key[0], None)

    async def _used(self) -> set[Key]:
        """The ConfigMaps that pods which may still run their containers mount."""
        used = set()
        for count, key in enumerate(list(self._cache.pods.keys())):
            if count % PODS_AT_ONCE == 0:
                await asyncio.sleep(0)
            pod = self._cache.pods.get(key)
            name = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_SUPERVISOR) if pod else None
            if pod and name and pod_facts(pod).may_run:
                used.add((key[0], name))
        return used

    async def _delete(self, key: Key, uid: str) -> None:
        namespace, name = key
        async with self._lock(namespace):
            if namespace in self._cache.supervisors:
                return  # a kernel that starts has asked for it, or for a newer one
            await self._cluster.delete(f"{paths.core('configmaps', namespace)}/{name}", uid=uid)
        logger.info("Deleted ConfigMap %s/%s: no pod has needed its supervisor for an hour.", namespace, name)
