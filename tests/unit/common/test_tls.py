"""An API server whose certificate has another name than its address: ``tls-server-name`` (P12)."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kubernel_cluster.connection import Connection
from kubernel_cluster.errors import ApiUnavailableError
from kubernel_cluster.login import ClusterKey

from .api_server import ApiServer


class Server:
    """An API server with a certificate that may be replaced.

    Attributes:
        url: where it is.
    """

    def __init__(self, certificate: Path) -> None:
        self.certificate, self.url = certificate, ""
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.renew()

    def renew(self) -> None:
        """Another certificate, and authority: whoever connects from now on sees it."""
        make_certificate(self.certificate)
        self.context.load_cert_chain(self.certificate, self.certificate.with_suffix(".key"))


def make_certificate(path: Path) -> None:
    """A certificate for the name "kubernetes" and no address, with its key beside it; it is its own authority."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=server"]
    extension = ["-addext", "subjectAltName=DNS:kubernetes"]
    files = ["-out", str(path), "-keyout", str(path.with_suffix(".key"))]
    subprocess.run(["openssl", "req", "-x509", *kind, *extension, *files], check=True, capture_output=True)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The server's, and its authority."""
    return tmp_path / "server.crt"


@pytest.fixture
async def server(certificate: Path) -> AsyncIterator[Server]:
    """An API server that has this certificate."""
    made = Server(certificate)
    answers = ApiServer()
    async with answers.listening(made.context):
        made.url = f"https://127.0.0.1:{answers.port}"
        yield made


@pytest.fixture
def url(server: Server) -> str:
    """Where it is."""
    return server.url


async def test_another_authority(server: Server, certificate: Path, write_kubeconfig: Callable[..., str]) -> None:
    """kubernetes/kubernetes#119483: a pod's ca.crt, or a kubeconfig's, is replaced while a process goes on."""
    files = {"certificate-authority": str(certificate), "tls-server-name": "kubernetes"}
    connection = await Connection.open(ClusterKey(write_kubeconfig(server.url, {}, **files)), "test")
    once = {"Connection": "close"}
    async with connection.send("GET", "/api/v1/pods", headers=once, seconds=10) as answer:
        assert answer.status == 200
    server.renew()
    os.utime(certificate, (1, 1))  # whatever the clock's resolution
    with pytest.raises(ApiUnavailableError, match="certificate"):
        async with connection.send("GET", "/api/v1/pods", headers=once, seconds=10):
            pass
    async with connection.send("GET", "/api/v1/pods", headers=once, seconds=10) as answer:
        assert answer.status == 200
    await connection.close()


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
