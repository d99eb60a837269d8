"""Nothing is written by an operator that does not lead: the last check before each write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ClusterError


class NotLeadingError(ClusterError):
    """This operator does not lead (any more): what it wanted to write is the leader's affair."""


class FencedCluster(Cluster):
    """Reads as any; writes only while this operator leads.

    A process that was paused, or whose renewals got stuck, finds out here and not from a task that is told later. What
    was sent before may still arrive: creates of names that are taken, and writes with the uid or resourceVersion of
    what they are about, which the API server refuses then.
    """

    def __init__(self, cluster: Cluster, leads: Callable[[], bool]) -> None:
        """``leads`` is asked right before each write."""
        super().__init__(None)  # type: ignore[arg-type]  # all it does goes through the other one
        self._cluster = cluster
        self._leads = leads

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request.

        Raises:
            NotLeadingError: it would have written.
        """
        if method != "GET" and not self._leads():
            raise NotLeadingError(f"{method} {path}: this operator does not lead any more")
        return await self._cluster.request(method, path, **options)
