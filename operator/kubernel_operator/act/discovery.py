"""What this API server can do."""

from __future__ import annotations

import logging

from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError

logger = logging.getLogger(__name__)


async def can_resize_pods(cluster: Cluster) -> bool:
    """Whether a living pod can be resized: Kubernetes 1.33 and newer, where nobody has turned it off.

    Raises:
        ApiUnavailableError: nobody answers.
    """
    try:
        found = await cluster.get("/api/v1")
    except ApiError as error:
        logger.warning("What this API server can do is not known; it is taken for a new one: %s", error)
        return True
    return any(resource.get("name") == "pods/resize" for resource in found.get("resources") or [])
