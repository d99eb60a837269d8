"""What the kubelet and Prometheus ask."""

import pytest
from aiohttp.test_utils import TestClient, TestServer

from kubernel_operator.edge.health_server import health_app, metrics_app


@pytest.mark.parametrize(
    ("path", "missing", "status", "text"),
    [
        pytest.param("/healthz", "", 200, "ok\n", id="alive"),
        pytest.param("/healthz", "the watches", 200, "ok\n", id="alive and not ready"),
        pytest.param("/readyz", "", 200, "ok\n", id="ready"),
        pytest.param("/readyz", "the watches", 503, "the watches\n", id="not ready, and why"),
    ],
)
async def test_health(path: str, missing: str, status: int, text: str) -> None:
    async with TestClient(TestServer(health_app(lambda: missing))) as client:
        answer = await client.get(path)
        assert (answer.status, await answer.text()) == (status, text)


async def test_metrics() -> None:
    async with TestClient(TestServer(metrics_app(lambda: None))) as client:
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert "# TYPE kubernel_kernel_starts_total counter" in await answer.text()
