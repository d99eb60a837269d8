"""What runs beside the passes: comparing everything with the API server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_cluster.retry import wanted_pause

from . import metrics
from .observe.cache import Cache, Key
from .observe.sweep import sweep
from .patience import RETRY_SECONDS, until_it_works, with_advice

logger = logging.getLogger(__name__)

# kopf lists again after a watch broke, and says nothing of what vanished meanwhile. One sweep for one such LIST.
RELIST_SECONDS = 1.0
FORBIDDEN = 403

Take = Callable[[str, Key], None]


class Sweeps:
    """Keeps the caches equal to the cluster, whatever the watches lost.

    Attributes:
        synced: whether the first comparison has worked.
        unknown: namespaces of which nothing may be decided: none of their LISTs has worked yet, or the last was
            forbidden. Somebody deletes a namespace, and the operator's Role with it; the others go on.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespaces: tuple[str, ...],
        cache: Cache,
        take: Take,
        interval_seconds: float,
    ) -> None:
        """All that a sweep needs.

        Args:
            cluster: the API server.
            namespaces: those that are watched; () for all.
            cache: what is known.
            take: called for each object that is news or vanished, with "instance", "pod" or "service" and
                the key of what it is linked to, or with "lease" or "pool" and its own key.
            interval_seconds: between two comparisons.
        """
        self._cluster = cluster
        self._namespaces = namespaces or (None,)
        self._cache = cache
        self._take = take
        self._interval_seconds = interval_seconds
        self._wanted = asyncio.Event()
        self._lock = asyncio.Lock()
        self._began = float("-inf")  # monotonic seconds when the last successful one began
        self.synced = False
        self.unknown = set(namespaces)
        self._told: set[str] = set()  # of which was said that they are left alone

    def want(self) -> None:
        """Compare soon: a watch was built anew."""
        self._wanted.set()

    async def first(self) -> None:
        """The first one, until it works. Without it nothing is known, and nothing may be decided."""
        async with self._lock:
            await until_it_works("Not ready yet", lambda: self._once(self._take, at_once=True))
        self.synced = True

    async def since(self, moment: float) -> None:
        """Returns when a comparison has worked that began after ``moment`` (monotonic seconds).

        What a predecessor wrote is known then, however far the watches are behind.
        """
        async with self._lock:
            if self._began < moment:
                await until_it_works("Not acting yet", lambda: self._once(self._take, at_once=True))

    async def run(self) -> None:
        """Compares again and again. Runs until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), self._interval_seconds)
                await asyncio.sleep(RELIST_SECONDS)
            try:
                async with self._lock:
                    await self._once(self._found)
            except ClusterError as error:
                logger.info("A comparison with the API server failed and will be tried again: %s", error)
                self._wanted.set()
                await asyncio.sleep(max(RETRY_SECONDS, wanted_pause(error)))

    async def _once(self, take: Take, *, at_once: bool = False) -> None:
        began = time.monotonic()
        self._wanted.clear()
        forbidden: ApiError | None = None
        works = False
        for namespace in self._namespaces:
            try:
                found = await self._compare(namespace, at_once)
            except ApiError as error:
                if error.status != FORBIDDEN or namespace is None:
                    raise
                forbidden = error
                self._leave_alone(namespace, error)
                continue
            works = True
            for kind, key in found:
                take(kind, key)
            if namespace in self.unknown:
                self._look_after(namespace)
        if forbidden is not None and not works:
            raise forbidden
        self._began = began

    async def _compare(self, namespace: str | None, at_once: bool) -> list[tuple[str, Key]]:
        found: list[tuple[str, Key]] = []
        await sweep(
            self._cluster, (namespace,), self._cache, lambda kind, key: found.append((kind, key)), at_once=at_once
        )
        return found

    def _leave_alone(self, namespace: str, error: ApiError) -> None:
        if namespace not in self._told:
            self._told.add(namespace)
            logger.warning("Namespace %s is left alone until it can be listed: %s", namespace, with_advice(error))
        self.unknown.add(namespace)

    def _look_after(self, namespace: str) -> None:
        """Again, or from now on: what its watches have told meanwhile went unheard."""
        self.unknown.discard(namespace)
        if namespace in self._told:
            self._told.discard(namespace)
            logger.info("Namespace %s can be listed, and is looked after.", namespace)
        stores = {"lease": self._cache.leases, "pool": self._cache.pools, "instance": self._cache.instances}
        for kind, store in stores.items():
            for key in store.keys():  # noqa: SIM118 - a Store is no dict
                if key[0] == namespace:
                    self._take(kind, key)

    def _found(self, kind: str, key: Key) -> None:
        metrics.SWEEP_FOUND.labels(kind).inc()
        self._take(kind, key)
