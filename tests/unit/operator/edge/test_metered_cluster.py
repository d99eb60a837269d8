"""Requests are counted by what came of them."""

from contextlib import nullcontext
from typing import Any

import pytest
from prometheus_client import REGISTRY

from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ClusterError
from kubernel_operator.edge.metered_cluster import MeteredCluster


def counted(verb: str, code: str) -> float:
    return REGISTRY.get_sample_value("kubernel_api_requests_total", {"verb": verb, "code": code}) or 0.0


@pytest.mark.parametrize(
    ("method", "query", "error", "verb", "code"),
    [
        pytest.param("GET", None, None, "get", "200", id="get"),
        pytest.param("GET", {"limit": 100}, None, "list", "200", id="list"),
        pytest.param("POST", None, ApiError(409, "AlreadyExists", ""), "create", "409", id="refused"),
        pytest.param("PATCH", None, ApiUnavailableError("", status=429), "patch", "429", id="throttled"),
        pytest.param("DELETE", None, ApiUnavailableError(""), "delete", "none", id="no answer"),
    ],
)
async def test_each_request_is_counted(
    monkeypatch: pytest.MonkeyPatch, method: str, query: Any, error: ClusterError | None, verb: str, code: str
) -> None:
    async def request(*_: Any, **__: Any) -> dict[str, Any]:
        if error:
            raise error
        return {"answer": True}

    monkeypatch.setattr(Cluster, "request", request)
    before = counted(verb, code)
    cluster = MeteredCluster(None)  # type: ignore[arg-type]  # its requests go nowhere
    with pytest.raises(type(error)) if error else nullcontext():
        assert await cluster.request(method, "/p", query=query) == {"answer": True}
    assert counted(verb, code) == before + 1
