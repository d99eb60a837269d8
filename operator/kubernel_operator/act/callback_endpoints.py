"""Sends callbacks to the leader: it writes the EndpointSlices of a Service that selects no pods.

Both replicas are Ready, so a selector would send half of the callbacks to the one that does not act. One write moves
them all, and a leader that lost its Lease cannot undo it: the write is fenced like any other.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterable
from typing import Any

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_cluster.retry import wanted_pause
from kubernel_operator.build.endpoint_slice import build_endpoint_slice

logger = logging.getLogger(__name__)

# Somebody may delete a slice, or the Service and with it both.
CHECK_SECONDS = 10.0
RETRY_SECONDS = 1.0


class CallbackEndpoints:
    """The EndpointSlices of the callback Service, one for each family of addresses."""

    def __init__(self, cluster: Cluster, namespace: str, service: str, addresses: Iterable[str], port: int) -> None:
        """Writes nothing yet.

        Args:
            cluster: refuses writes of an operator that does not lead.
            namespace: of the Service.
            service: its name.
            addresses: of this pod, IPv4 or IPv6 or both.
            port: of the callback server in this pod.
        """
        self._cluster = cluster
        self._namespace, self._service = namespace, service
        self._addresses = {f"IPv{ipaddress.ip_address(address).version}": address for address in addresses}
        self._port = port

    async def run(self) -> None:
        """Keeps the slices as they should be until cancelled."""
        while True:
            try:
                await self.ensure()
            except ClusterError as error:
                logger.warning("Callbacks may not get here: the Service's EndpointSlice was not written: %s", error)
                await asyncio.sleep(max(RETRY_SECONDS, wanted_pause(error)))
            else:
                await asyncio.sleep(CHECK_SECONDS)

    async def ensure(self) -> None:
        """The slices name this pod and no other.

        Raises:
            ClusterError: that is not known.
        """
        service = await self._cluster.get(f"{paths.core('services', self._namespace)}/{self._service}")
        for family in ("IPv4", "IPv6"):
            address = self._addresses.get(family)
            await self._ensure(build_endpoint_slice(service, family, [address] if address else [], self._port))

    async def _ensure(self, wanted: dict[str, Any]) -> None:
        path = paths.endpoint_slices(self._namespace)
        try:
            found = await self._cluster.get(f"{path}/{wanted['metadata']['name']}")
        except ApiError as error:
            if error.status != 404:
                raise
            if wanted["endpoints"]:
                await self._cluster.create(path, wanted)
            return
        if any(found.get(field) != wanted[field] for field in ("endpoints", "ports")):
            await self._cluster.merge_patch(f"{path}/{wanted['metadata']['name']}", wanted)
            logger.info("Callbacks to Service %s come here now.", self._service)
