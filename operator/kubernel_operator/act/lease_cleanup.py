"""Deletes Leases whose servers are gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ClusterError
from kubernel_operator.observe.cache import key_of

logger = logging.getLogger(__name__)

# A thousand Leases after an outage should neither take minutes nor fill the API server's queues.
CONCURRENT_DELETES = 8


async def delete_leases(cluster: Cluster, leases: Iterable[dict[str, Any]]) -> None:
    """Deletes all of them, some at a time. What cannot be deleted is logged and left: nothing waits for it."""
    slots = asyncio.Semaphore(CONCURRENT_DELETES)

    async def delete(lease: dict[str, Any]) -> None:
        namespace, name = key_of(lease)
        async with slots:
            try:
                await cluster.delete(f"{paths.leases(namespace)}/{name}", uid=lease["metadata"]["uid"])
            except ClusterError as error:
                logger.warning("%s/%s: the Lease of a server that is gone was not deleted: %s", namespace, name, error)
            else:
                logger.info("%s/%s: deleted the Lease: its server is gone and left no kernel", namespace, name)

    await asyncio.gather(*map(delete, leases))
