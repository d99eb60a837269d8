"""What connections to an API server are made of."""

import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kopf
import pytest

from kubernel_cluster.connection import Connection
from kubernel_cluster.errors import NoLoginError
from kubernel_cluster.login import ClusterKey, log_in
from kubernel_cluster.pool import Pool, keepalive_socket
from kubernel_operator.edge.kopf_settings import session


@pytest.fixture
def _strict_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 and newer."""
    create = ssl.create_default_context

    def strict(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context = create(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


def is_strict(connector: Any) -> bool:
    context: ssl.SSLContext = connector._ssl
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    return bool(context.verify_flags & ssl.VERIFY_X509_STRICT)


@pytest.mark.usefixtures("_strict_python")
async def test_certificates_are_checked_as_kubectl_does(write_kubeconfig: Callable[..., str]) -> None:
    """Authorities without key usage or identifiers, such as old EKS clusters', are accepted."""
    granted = await log_in(ClusterKey(write_kubeconfig("https://10.96.0.1", {"token": "t"})))
    pool = Pool(granted.configuration)
    async with pool.session() as client:
        assert not is_strict(client.connector)
    await pool.close()


@pytest.mark.usefixtures("_strict_python")
async def test_and_so_do_the_watches_of_the_operator() -> None:
    made = session(kopf.ConnectionInfo(server="https://10.96.0.1"), lambda: None, lambda *_: None, {})
    assert not is_strict(made.aiohttp_session.connector)
    await made.aiohttp_session.close()


async def test_certificates_that_are_none(write_kubeconfig: Callable[..., str]) -> None:
    path = write_kubeconfig("https://10.96.0.1", {}, **{"certificate-authority-data": "bm9uZQ=="})
    with pytest.raises(NoLoginError, match="the certificates of the cluster or its user cannot be used: "):
        await Connection.open(ClusterKey(path), "test")


async def test_a_key_with_a_passphrase(write_kubeconfig: Callable[..., str], tmp_path: Path) -> None:
    """OpenSSL would ask the terminal of the notebook server for it, and all kernels would wait for that."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-passout", "pass:secret", "-subj", "/CN=me"]
    files = {"client-certificate": str(tmp_path / "me.crt"), "client-key": str(tmp_path / "me.key")}
    out = ["-out", files["client-certificate"], "-keyout", files["client-key"]]
    subprocess.run(["openssl", "req", "-x509", *kind, *out], check=True, capture_output=True)  # noqa: ASYNC221
    with pytest.raises(NoLoginError, match=r"^the private key of the cluster's user has a passphrase: Nobody can be"):
        await Connection.open(ClusterKey(write_kubeconfig("https://10.96.0.1", files)), "test")


async def test_any_number_of_connections(write_kubeconfig: Callable[..., str]) -> None:
    """A hundred forwarded ports once kept the Lease from being renewed."""
    granted = await log_in(ClusterKey(write_kubeconfig("https://10.96.0.1", {"token": "t"})))
    pool = Pool(granted.configuration)
    async with pool.session() as client:
        assert client.connector.limit == client.connector.limit_per_host == 0
    await pool.close()


def test_a_peer_that_vanished_is_noticed() -> None:
    with keepalive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", None)) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000


def test_so_it_is_on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first of these options has another name; its default is two hours."""
    monkeypatch.setattr(socket, "TCP_KEEPALIVE", socket.TCP_KEEPIDLE, raising=False)
    monkeypatch.delattr(socket, "TCP_KEEPIDLE")
    with keepalive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("", 0))) as made:
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPALIVE) == 10
