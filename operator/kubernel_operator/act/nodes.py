"""How many CPUs there are for kernels: from it follows how many may start at the same time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from kubernel_api.quantity import amount
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_operator.observe.facts import Json, conditions_of, part

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
NODES_OF_PAGE = 100
# A thousand starts at the same time: nobody waits for their turn there, and nobody needs to count further.
ENOUGH_CPUS = 500.0


class Nodes:
    """Counts CPUs.

    Attributes:
        cpus: of all nodes that kernels may get; None: not known, or as many as anybody will need.
    """

    def __init__(self, cluster: Cluster, selector: Mapping[str, str]) -> None:
        """Asks nothing yet. ``selector``: labels of nodes that kernels may get."""
        self.cpus: float | None = None
        self._cluster = cluster
        self._query = {"labelSelector": ",".join(f"{key}={value}" for key, value in selector.items())}
        self._told = ""

    async def run(self) -> None:
        """Counts again and again. Runs until cancelled."""
        while True:
            try:
                await self.count()
            except ClusterError as error:
                self._tell(error)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def count(self) -> None:
        """One LIST, as far as necessary.

        Raises:
            ClusterError: it is not known; the last number stays.
        """
        total = 0.0
        async for page in self._cluster.pages(paths.core("nodes"), self._query, page_size=NODES_OF_PAGE):
            total += sum(map(cpus_for_kernels, page.items))
            if total >= ENOUGH_CPUS:
                break
        self.cpus = total if total < ENOUGH_CPUS else None
        self._told = ""

    def _tell(self, error: ClusterError) -> None:
        if str(error) == self._told:
            return
        self._told = str(error)
        refused = isinstance(error, ApiError)
        what = "any number of kernels may start at the same time" if refused else "the last number of CPUs stays"
        logger.warning("Nodes cannot be listed for --max-starting=Auto, so %s: %s", what, error)


def cpus_for_kernels(node: Json) -> float:
    """Of one node; 0.0 of one that is not Ready, or takes no new pods."""
    status = part(node, "status")
    is_ready = any(each.type == "Ready" and each.is_true for each in conditions_of(status))
    if not is_ready or part(node, "spec").get("unschedulable"):
        return 0.0
    return float(amount(part(status, "allocatable").get("cpu") or 0))
