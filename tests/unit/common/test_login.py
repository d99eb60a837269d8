"""Finding the API server, and what to say when that cannot be done."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
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
    (tmp_path / ".kube" / "config").write_text("current-context: x")
    assert kubeconfig_path(ClusterKey()) == str(tmp_path / ".kube" / "config")
    monkeypatch.setenv("KUBECONFIG", "/other")
    assert kubeconfig_path(ClusterKey()) == "/other"
    assert kubeconfig_path(ClusterKey("~/mine")) == str(tmp_path / "mine")
    assert kubeconfig_path(ClusterKey(IN_CLUSTER)) is None, "whatever kubeconfig a user made for other things"


@pytest.mark.usefixtures("_in_a_pod")
@pytest.mark.parametrize("text", ["", "# none yet", 'current-context: ""', "contexts: [{name: a}]", "current-context:"])
@pytest.mark.parametrize("variable", ["", "config"])
def test_in_a_pod_a_kubeconfig_that_chooses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, variable: str
) -> None:
    """As ``kubectl config unset current-context`` leaves it, or ``touch``: kubectl uses the pod's account then."""
    file = tmp_path / ".kube" / "config"
    file.parent.mkdir()
    file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file) if variable else "")
    assert kubeconfig_path(ClusterKey()) is None
    assert kubeconfig_path(ClusterKey(context="a")) == str(file)
    assert kubeconfig_path(ClusterKey(str(file))) == str(file), "it was asked for, and what it lacks is said"
    file.write_text("[")
    assert kubeconfig_path(ClusterKey()) == str(file), "and what is wrong with it"


@pytest.mark.usefixtures("_in_a_pod")
async def test_a_context_is_not_dropped_where_there_is_no_kubeconfig() -> None:
    with pytest.raises(NoLoginError, match=r"^there is no kubeconfig that has the context other: Set kubeconfig"):
        await log_in(ClusterKey(context="other"))


WITHOUT_A_HOME = """
import asyncio, os, pwd, sys
from kubernel_cluster.errors import NoLoginError
from kubernel_cluster.login import ClusterKey, kubeconfig_path, log_in

def fail(_):
    raise KeyError

pwd.getpwuid = fail
del os.environ["HOME"]
os.environ.pop("KUBECONFIG", None)
print(kubeconfig_path(ClusterKey()), asyncio.run(log_in(ClusterKey(sys.argv[1]))).namespace, "HOME" in os.environ)
try:
    asyncio.run(log_in(ClusterKey("~/mine")))
except NoLoginError as error:
    print(error.what)
"""


def test_an_account_without_a_home(write_kubeconfig: WriteKubeconfig) -> None:
    """A number that no passwd knows, as OpenShift gives them; the kubernetes package cannot even be imported there."""
    command = [sys.executable, "-c", WITHOUT_A_HOME, write_kubeconfig(SERVER, {"token": "t"})]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "~/.kube/config jhub False\nthere is no kubeconfig at ~/mine\n"


async def test_certificates_that_a_cleaner_of_tmp_has_deleted(write_kubeconfig: WriteKubeconfig) -> None:
    """The kubernetes package writes them there once; kubernetes-client/python#765."""
    data = {"certificate-authority-data": base64.b64encode(b"CA").decode()}
    key = ClusterKey(write_kubeconfig(SERVER, {}, **data))
    first = (await log_in(key)).configuration.ssl_ca_cert
    assert (await log_in(key)).configuration.ssl_ca_cert == first
    Path(first).unlink()  # noqa: ASYNC240 - before the next login
    assert read((await log_in(key)).configuration.ssl_ca_cert)[0] == "CA"


@pytest.mark.parametrize(
    ("key", "command"),
    [
        (ClusterKey(), "kubectl"),
        (ClusterKey("/k", "c"), "kubectl --kubeconfig /k --context c"),
        (ClusterKey("/My Files/k", "me@c (old)"), "kubectl --kubeconfig '/My Files/k' --context 'me@c (old)'"),
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
    monkeypatch.setattr(exec_plugin, "TIMEOUT_SECONDS", 0.5)
    command = script(tmp_path, "echo open https://example.org and enter ABC >&2; exec sleep 600")
    with pytest.raises(NoLoginError, match=r"did not end within 0 s: open https://example.org and enter ABC$"):
        await log_in(ClusterKey(write_kubeconfig(SERVER, {"exec": {"apiVersion": V1, "command": command}})))


async def test_what_a_command_wants_of_its_user_is_in_the_log(
    write_kubeconfig: WriteKubeconfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """kubelogin's page and code, for instance; kubernetes-client/python#1787."""
    monkeypatch.setattr(exec_plugin, "SPEAKS_AFTER_SECONDS", 0.01)
    is_done = tmp_path / "done"
    text = f"echo enter ABC >&2; until [ -e {is_done} ]; do sleep 0.01; done; {credential(token='t')}"
    user = {"exec": {"apiVersion": V1, "command": script(tmp_path, text), "args": ["get", "--password", "s3cret"]}}
    logging_in = asyncio.create_task(log_in(ClusterKey(write_kubeconfig(SERVER, user))))
    while "enter ABC" not in caplog.text:  # noqa: ASYNC110 - the command's turn
        await asyncio.sleep(0.01)
    is_done.touch()
    assert (await logging_in).configuration.api_key == {"BearerToken": "Bearer t"}
    assert caplog.messages == [f"The kubeconfig's command `{tmp_path}/login get ...` goes on, and says: enter ABC"]


async def test_a_browser_that_a_command_leaves_open(write_kubeconfig: WriteKubeconfig, tmp_path: Path) -> None:
    """It has the command's output, and ends much later; int128/kubelogin#319."""
    command = script(tmp_path, f"sleep 600 & echo $! > {tmp_path}/browser; {credential(token='t')}")
    try:
        granted = await log_in(ClusterKey(write_kubeconfig(SERVER, {"exec": {"apiVersion": V1, "command": command}})))
        assert granted.configuration.api_key == {"BearerToken": "Bearer t"}
    finally:
        os.kill(int((tmp_path / "browser").read_text()), signal.SIGKILL)


async def test_a_start_that_nobody_wants_any_more_ends_the_command(
    write_kubeconfig: WriteKubeconfig, tmp_path: Path
) -> None:
    command = script(tmp_path, f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 600")
    user = {"exec": {"apiVersion": V1, "command": command}}
    logging_in = asyncio.create_task(log_in(ClusterKey(write_kubeconfig(SERVER, user))))
    while not (tmp_path / "pid").exists():  # noqa: ASYNC110 - the command's turn
        await asyncio.sleep(0.01)
    logging_in.cancel()
    with pytest.raises(asyncio.CancelledError):
        await logging_in
    process = Path("/proc", (tmp_path / "pid").read_text().strip())
    while process.exists():  # noqa: ASYNC110, ASYNC240 - it dies
        await asyncio.sleep(0.01)


async def test_an_event_loop_that_runs_no_programs(
    write_kubeconfig: WriteKubeconfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the one that jupyter_server chooses on Windows."""

    async def fail(*args: object, **kwargs: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "subprocess_exec", fail)
    command = script(tmp_path, credential(token="t"))
    granted = await log_in(ClusterKey(write_kubeconfig(SERVER, {"exec": {"apiVersion": V1, "command": command}})))
    assert granted.configuration.api_key == {"BearerToken": "Bearer t"}


@pytest.mark.parametrize("options", [["--oidc-client-secret=s3cret"], ["-p", "s3cret"]])
async def test_a_commands_options_are_not_shown(
    write_kubeconfig: WriteKubeconfig, tmp_path: Path, options: list[str]
) -> None:
    user = {"apiVersion": V1, "command": script(tmp_path, "exit 1"), "args": ["get-token", *options]}
    with pytest.raises(NoLoginError, match=r"login get-token \.\.\.` failed") as caught:
        await log_in(ClusterKey(write_kubeconfig(SERVER, {"exec": user})))
    assert "s3cret" not in str(caught.value)


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


@pytest.mark.parametrize("proxy", ["HTTP://10.0.0.1:3128", "Https://10.0.0.1"])
async def test_a_proxy_in_capitals(write_kubeconfig: WriteKubeconfig, proxy: str) -> None:
    granted = await log_in(ClusterKey(write_kubeconfig(SERVER, {}, **{"proxy-url": proxy})))
    assert granted.configuration.proxy == proxy


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
