"""Finding the API server, and what to say when that cannot be done."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubernel_cluster import exec_plugin, login
from kubernel_cluster.errors import NoLoginError
from kubernel_cluster.login import IN_CLUSTER, ClusterKey, kubeconfig_path, lifetime_of, log_in

WriteKubeconfig = Callable[..., str]
SERVER = "https://127.0.0.1:6443"
V1 = "client.authentication.k8s.io/v1"


def script(folder: Path, text: str) -> str:
    """An executable file."""
    path = folder / "login"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def credential(**status: Any) -> str:
    """A command that prints an ExecCredential."""
    answer = {"apiVersion": V1, "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(answer)}\nEND"


def read(file: str) -> tuple[str, int]:
    """Text and mode."""
    return Path(file).read_text(), Path(file).stat().st_mode & 0o777


@pytest.fixture
def _in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("t")
    (account / "namespace").write_text("mine\n")
    monkeypatch.setattr(login, "ACCOUNT", account)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.mark.usefixtures("_in_a_pod")
def test_in_a_pod_its_own_account_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kubeconfig_path(ClusterKey()) is None
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert kubeconfig_path(ClusterKey()) == str(tmp_path / ".kube" / "config")
    monkeypatch.setenv("KUBECONFIG", "/other")
    assert kubeconfig_path(ClusterKey()) == "/other"
    assert kubeconfig_path(ClusterKey("~/mine")) == str(tmp_path / "mine")
    assert kubeconfig_path(ClusterKey(IN_CLUSTER)) is None, "whatever kubeconfig a user made for other things"


@pytest.mark.parametrize(
    ("key", "command"),
    [
        (ClusterKey(), "kubectl"),
        (ClusterKey("/k", "c"), "kubectl --kubeconfig /k --context c"),
        (ClusterKey(IN_CLUSTER), "kubectl"),
    ],
)
def test_kubectl(key: ClusterKey, command: str) -> None:
    assert key.kubectl() == command


async def test_a_login(write_kubeconfig: WriteKubeconfig) -> None:
    granted = await log_in(ClusterKey(write_kubeconfig(SERVER, {"token": "t"})))
    configuration = granted.configuration
    assert (configuration.host, configuration.api_key) == (SERVER, {"BearerToken": "Bearer t"})
    assert (granted.namespace, granted.context, granted.lifetime) == ("jhub", "x", None)
    assert configuration.disable_strict_ssl_verification, "Python 3.13 refuses what kubectl accepts"
    assert configuration.connection_pool_maxsize == 0


async def test_a_command_for_credentials(
    write_kubeconfig: WriteKubeconfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    text = f"echo $A $KUBERNETES_EXEC_INFO $1 > {said}\n" + credential(
        token="t", expirationTimestamp="2999-01-01T00:00:00Z"
    )
    script(tmp_path, text)
    user = {
        "apiVersion": V1,
        "command": "./login",  # beside the kubeconfig
        "args": ["get-token"],
        "env": [{"name": "A", "value": "a"}],
        "provideClusterInfo": True,
    }
    granted = await log_in(ClusterKey(write_kubeconfig(SERVER, {"exec": user})))
    assert granted.configuration.api_key == {"BearerToken": "Bearer t"}
    assert granted.lifetime is not None
    assert granted.lifetime > 1e9
    a, info, argument = said.read_text().split(" ", 1)[0], said.read_text(), said.read_text().split()[-1]
    assert (a, argument) == ("a", "get-token")
    assert '"interactive": false' in info
    assert f'"server": "{SERVER}"' in info


async def test_a_command_for_certificates(write_kubeconfig: WriteKubeconfig, tmp_path: Path) -> None:
    command = script(tmp_path, credential(clientCertificateData="CERT", clientKeyData="KEY"))
    granted = await log_in(ClusterKey(write_kubeconfig(SERVER, {"exec": {"apiVersion": V1, "command": command}})))
    files = granted.configuration.cert_file, granted.configuration.key_file
    assert [read(file) for file in files] == [("CERT", 0o600), ("KEY", 0o600)]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param(
            "echo SSO session expired >&2; exit 255",
            r"^the kubeconfig's command `.*login` failed \(exit code 255\): SSO session expired$",
            id="fails",
        ),
        pytest.param("echo secret", "printed no ExecCredential with a token$", id="prints something else"),
        pytest.param("echo []", "printed no ExecCredential with a token$", id="prints no object"),
        pytest.param(credential(), "printed no ExecCredential with a token$", id="no credentials"),
        pytest.param(
            credential(clientCertificateData="CERT"), "printed no ExecCredential with a token$", id="half of them"
        ),
        pytest.param(
            credential(token="t").replace("/v1", "/v1beta1"),
            r"speaks client.authentication.k8s.io/v1beta1: The kubeconfig expects client.authentication.k8s.io/v1\.$",
            id="another version",
        ),
    ],
)
async def test_a_command_that_brings_nothing(
    write_kubeconfig: WriteKubeconfig, tmp_path: Path, text: str, error: str
) -> None:
    command = script(tmp_path, text)
    with pytest.raises(NoLoginError, match=error) as caught:
        await log_in(ClusterKey(write_kubeconfig(SERVER, {"exec": {"apiVersion": V1, "command": command}})))
    assert "secret" not in str(caught.value), "what it prints may be one"


async def test_a_command_that_is_not_there(write_kubeconfig: WriteKubeconfig) -> None:
    user = {"exec": {"apiVersion": V1, "command": "no-such-login", "installHint": "Install\n  it."}}
    with pytest.raises(NoLoginError, match=r"`no-such-login` cannot be run \(No such file.*\): Install it\.$"):
        await log_in(ClusterKey(write_kubeconfig(SERVER, user)))


async def test_a_command_that_does_not_end(
    write_kubeconfig: WriteKubeconfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exec_plugin, "TIMEOUT_SECONDS", 0.1)
    command = script(tmp_path, "exec sleep 600")
    with pytest.raises(NoLoginError, match="did not end within 0 s"):
        await log_in(ClusterKey(write_kubeconfig(SERVER, {"exec": {"apiVersion": V1, "command": command}})))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("", "It is empty", id="empty"),
        pytest.param("[]", "is no YAML mapping", id="a list"),
        pytest.param("current-context: x", "has no context x: It has none", id="without contexts"),
        pytest.param("{", "cannot be used: while parsing", id="no YAML"),
    ],
)
async def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "k").write_text(text)
    with pytest.raises(NoLoginError, match=error):
        await log_in(ClusterKey(str(tmp_path / "k")))


async def test_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(NoLoginError, match=rf"^there is no kubeconfig at {tmp_path}/k: Set kubeconfig"):
        await log_in(ClusterKey(str(tmp_path / "k")))


async def test_credentials_that_hold_nothing_are_an_error(write_kubeconfig: WriteKubeconfig, tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    with pytest.raises(NoLoginError, match=r"names credentials \(tokenFile\) that hold nothing"):
        await log_in(ClusterKey(write_kubeconfig(SERVER, {"tokenFile": str(tmp_path / "token")})))


async def test_a_proxy_that_is_none_of_ours(write_kubeconfig: WriteKubeconfig) -> None:
    path = write_kubeconfig(SERVER, {}, **{"proxy-url": "socks5://me:secret@10.0.0.1"})
    with pytest.raises(NoLoginError, match="it speaks socks5: An http or https proxy is needed") as caught:
        await log_in(ClusterKey(path))
    assert "secret" not in str(caught.value)


def test_a_kubeconfig_that_was_written_is_noticed(write_kubeconfig: WriteKubeconfig) -> None:
    path = write_kubeconfig(SERVER, {})
    granted = login.Login(None, "ns", sources={path: Path(path).stat().st_mtime})
    assert not granted.is_outdated
    Path(path).unlink()
    assert granted.is_outdated


@pytest.mark.parametrize(
    ("claims", "lifetime"),
    [(b'{"exp": 1600}', 600.0), (b"{}", None), (b"[]", None), (b"\xff", None), (b'{"exp": "soon"}', None)],
)
def test_lifetime_of_a_jwt(claims: bytes, lifetime: float | None) -> None:
    token = f"Bearer h.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.s"
    assert lifetime_of(token, 1000.0) == lifetime


@pytest.mark.parametrize("token", ["", "Bearer t0ken", "Bearer a.b", "Bearer a.%.c"])
def test_lifetime_of_what_is_no_jwt(token: str) -> None:
    assert lifetime_of(token, 1000.0) is None
