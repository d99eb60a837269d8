"""Counts the operator's requests. kopf's watches have a connection of their own and are not in it."""

from __future__ import annotations

from typing import Any

from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator import metrics

_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


class MeteredCluster(Cluster):
    """A connection to the API server whose answers are counted by verb and code."""

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request. Its code is 200 for any success, and "none" when nobody answered."""
        verb = _VERBS.get(method) or ("list" if "limit" in (options.get("query") or {}) else "get")
        code = "none"
        try:
            answer = await super().request(method, path, **options)
            code = "200"
        except (ApiError, ApiUnavailableError) as error:
            code = str(error.status or "none")
            raise
        else:
            return answer
        finally:
            metrics.API_REQUESTS.labels(verb, code).inc()
