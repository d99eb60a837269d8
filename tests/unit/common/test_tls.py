"""An API server whose certificate has another name than its address: ``tls-server-name`` (P12)."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from kubernel_cluster.connection import Connection
from kubernel_cluster.errors import ApiUnavailableError
from kubernel_cluster.login import ClusterKey

from .api_server import ApiServer


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for the name "kubernetes" and no address, with its key beside it; it is its own authority."""
    path = tmp_path / "server.crt"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=server"]
    extension = ["-addext", "subjectAltName=DNS:kubernetes"]
    files = ["-out", str(path), "-keyout", str(path.with_suffix(".key"))]
    subprocess.run(["openssl", "req", "-x509", *kind, *extension, *files], check=True, capture_output=True)
    return path


@pytest.fixture
async def url(certificate: Path) -> AsyncIterator[str]:
    """Of an API server that has this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", ApiServer().handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_requests_and_websockets(url: str, certificate: Path, write_kubeconfig: Callable[..., str]) -> None:
    authority = {"certificate-authority": str(certificate)}
    named_config = write_kubeconfig(url, {}, **authority, **{"tls-server-name": "kubernetes"})
    named = await Connection.open(ClusterKey(named_config), "test")
    async with named.send("GET", "/api/v1/pods", seconds=10) as answer:
        assert answer.status == 200
    async with named.websocket("/api/v1/namespaces/a/pods/b/portforward", {}) as socket:
        await socket.send_bytes(b"hello")
        assert await socket.receive_bytes() == b"hello"
    await named.close()
    plain = await Connection.open(ClusterKey(write_kubeconfig(url, {}, **authority)), "test")
    with pytest.raises(ApiUnavailableError):
        async with plain.send("GET", "/api/v1/pods", seconds=10):
            pass
    with pytest.raises(ApiUnavailableError):
        async with plain.websocket("/api/v1/namespaces/a/pods/b/portforward", {}):
            pass
    await plain.close()
