"""Kubeconfigs that are not the simplest: several files, paths, contexts, other credentials. As kubectl reads them."""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fixtures.supervisors import has_ipv6
from kubernel_cluster.connection import Connection
from kubernel_cluster.errors import NoLoginError
from kubernel_cluster.login import ClusterKey, Login, log_in
from kubernel_cluster.pool import Pool

from .api_server import ApiServer

Config = dict[str, Any]
SERVER = "https://10.96.0.1"
V1 = "client.authentication.k8s.io/v1"


def config(name: str = "a", user: Config | None = None, **cluster: Any) -> Config:
    """A kubeconfig whose cluster, user and context have one name."""
    return {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example.org", **cluster}}],
        "users": [{"name": name, "user": {"token": name} if user is None else user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Config | str], str]:
    """Writes a file, and returns its path."""

    def write(name: str, content: Config | str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


Write = Callable[[str, Config | str], str]


@pytest.fixture
def write_command(write: Write, tmp_path: Path) -> Callable[..., Config]:
    """Writes a login command that prints a status, and what it was told into a file; returns its ``exec``."""

    def write_command(version: str = V1, **status: str) -> Config:
        answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
        lines = ["#!/bin/sh", f"echo '{json.dumps(answer)}'", f'echo "$KUBERNETES_EXEC_INFO" >{tmp_path}/said']
        Path(write("login", "\n".join(lines))).chmod(0o755)
        return {"exec": {"apiVersion": version, "command": "./login"}}

    return write_command


def text_of(path: str | Path) -> str:
    return Path(path).read_text()


async def entered(*paths: str, **key: str) -> Login:
    return await log_in(ClusterKey(":".join(paths), **key))


def host_of(granted: Login) -> str:
    return str(granted.configuration.host)


def token_of(granted: Login) -> str | None:
    token: str | None = granted.configuration.api_key.get("BearerToken")
    return token


async def test_of_several_files_the_first_that_says_something_wins(write: Write) -> None:
    b = {**config("b"), "users": [*config("b")["users"], {"name": "a", "user": {"token": "not this one"}}]}
    paths = write("empty", ""), write("a", config("a")), write("none", {"clusters": None}), write("b", b)
    granted = await entered(*paths)
    assert (granted.context, granted.configuration.host, token_of(granted)) == (
        "a",
        "https://a.example.org",
        "Bearer a",
    )
    other = await entered(*paths, context="b")
    assert (other.context, other.configuration.host, token_of(other)) == ("b", "https://b.example.org", "Bearer b")
    assert set(granted.sources or {}) == set(paths)


async def test_parts_of_a_context_in_several_files(write: Write) -> None:
    """The user's files are beside the user, and the cluster's beside the cluster; as two people hand them out."""
    here, there = config("a", {"tokenFile": "token"}), config("a", **{"certificate-authority": "ca.crt"})
    user = {"users": here["users"]}
    cluster = {name: there[name] for name in ("clusters", "contexts", "current-context")}
    write("user/token", "t0ken\n")
    ca = write("cluster/ca.crt", "CA")
    granted = await entered(write("cluster/config", cluster), write("user/config", user))
    assert (token_of(granted), granted.configuration.ssl_ca_cert) == ("Bearer t0ken", ca)


async def test_client_certificates_beside_their_user(write: Write) -> None:
    user = {"client-certificate": "me.crt", "client-key": "keys/me.key"}
    cluster = {name: value for name, value in config().items() if name != "users"}
    files = write("user/me.crt", "CERT"), write("user/keys/me.key", "KEY")
    granted = await entered(
        write("cluster/config", cluster), write("user/config", {"users": config("a", user)["users"]})
    )
    assert (granted.configuration.cert_file, granted.configuration.key_file) == files


async def test_a_relative_path(
    write: Write, write_command: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``KUBECONFIG=config``: what it names is beside it, and not somewhere on the PATH."""
    user = write_command(token="t")
    write("ca.crt", "CA")
    write("config", config("a", user, **{"certificate-authority": "ca.crt"}))
    monkeypatch.chdir(tmp_path)
    granted = await entered("config")
    assert (token_of(granted), granted.configuration.ssl_ca_cert) == ("Bearer t", str(tmp_path / "ca.crt"))


@pytest.mark.parametrize(
    ("user", "token"),
    [
        ({"token": "t", "tokenFile": "token"}, "Bearer from a file"),
        ({"token": "t", "tokenFile": "not there"}, "Bearer t"),
        ({"token": "", "tokenFile": "token"}, "Bearer from a file"),
        ({"token": "t", "exec": {"apiVersion": V1, "command": "false"}}, "Bearer t"),
        ({"username": "me", "password": "secret"}, "Basic " + base64.b64encode(b"me:secret").decode()),
        ({"username": "me"}, "Basic " + base64.b64encode(b"me:").decode()),
        (
            {"username": "me", "password": "secret", "exec": {"apiVersion": V1, "command": "false"}},
            "Basic bWU6c2VjcmV0",
        ),
        ({"auth-provider": {"name": "oidc", "config": {"id-token": "opaque"}}}, "Bearer opaque"),
        ({}, None),
        (None, None),
    ],
)
async def test_which_token(write: Write, user: Config | None, token: str | None) -> None:
    write("token", "from a file\n")
    made = config("a", {})
    made["users"][0]["user"] = user
    assert token_of(await entered(write("config", made))) == token


async def test_a_certificate_goes_before_a_command(write: Write) -> None:
    """kubectl does not run a command for a user who has another way in."""
    user = {
        "client-certificate": write("c", "CERT"),
        "client-key": write("k", "KEY"),
        "exec": {"apiVersion": V1, "command": "false"},
    }
    granted = await entered(write("config", config("a", user)))
    assert (token_of(granted), granted.configuration.cert_file) == (None, user["client-certificate"])


@pytest.mark.parametrize(
    "server",
    ["HTTPS://10.96.0.1:443", "https://10.96.0.1:443/", "https://10.96.0.1:443?a=b", "https://10.96.0.1:443/#c"],
)
async def test_servers_that_kubectl_takes(write: Write, server: str) -> None:
    write("ca", "CA")
    granted = await entered(write("config", config("a", server=server, **{"certificate-authority": "ca"})))
    assert host_of(granted) == "https://10.96.0.1:443"
    assert granted.configuration.ssl_ca_cert is not None


async def test_kubectl_reads_the_first_document(write: Write) -> None:
    made = write("config", f"{json.dumps(config('a', {'token': 't'}))}\n---\nother: [\n")
    assert token_of(await entered(made)) == "Bearer t"


async def test_an_entry_without_a_name_is_nobodys(write: Write) -> None:
    made = config("a", {"token": "t"})
    made["users"].insert(0, {"user": {"token": "other"}})
    assert token_of(await entered(write("config", made))) == "Bearer t"


async def test_from_a_folder_that_was_deleted(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    made = config()
    del made["contexts"][0]["context"]["user"]
    assert host_of(await entered(write("config", made)))


async def test_a_context_without_a_user(write: Write) -> None:
    made = config()
    del made["contexts"][0]["context"]["user"], made["users"]
    assert token_of(await entered(write("config", made))) is None


async def test_empty_data_is_no_data(write: Write) -> None:
    user = {"client-certificate": "c", "client-certificate-data": "", "client-key": "k", "client-key-data": None}
    files = write("c", "CERT"), write("k", "KEY")
    cluster = {"certificate-authority": "ca", "certificate-authority-data": "", "proxy-url": "", "tls-server-name": ""}
    authority = write("ca", "CA")
    found = (await entered(write("config", config("a", user, **cluster)))).configuration
    assert (found.cert_file, found.key_file, found.ssl_ca_cert) == (*files, authority)
    assert (found.proxy, found.tls_server_name) == (None, None)


def oidc(ends_in: float) -> Config:
    claims = json.dumps({"exp": time.time() + ends_in}).encode()
    token = f"h.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.s"
    provider = {"idp-issuer-url": "https://127.0.0.1:1", "id-token": token, "refresh-token": "kubectl's"}
    return {"auth-provider": {"name": "oidc", "config": {"client-id": "k", "client-secret": "s", **provider}}}


async def test_kubectls_own_oidc_login_is_used_and_never_renewed(write: Write) -> None:
    """P30: whoever renews it and does not write the new refresh token down logs kubectl out."""
    user = oidc(600)
    granted = await entered(write("config", config("a", user)))
    assert token_of(granted) == "Bearer " + user["auth-provider"]["config"]["id-token"]
    assert granted.lifetime is not None
    assert 500 < granted.lifetime <= 600
    path = write("config", config("a", oidc(-600)))
    before = text_of(path)
    with pytest.raises(NoLoginError, match=r"OIDC token has ended: Any command of kubectl renews it\. .* kubelogin"):
        await entered(path)
    assert text_of(path) == before


@pytest.mark.parametrize(
    ("made", "error"),
    [
        ({**config(), "current-context": ""}, r"has no current context: It has a\. Set context or KUBERNEL_CONTEXT"),
        ({**config(), "current-context": "b"}, r"has no context b: It has a\.$"),
        ({"current-context": "b"}, r"has no context b: It has none\.$"),
        ({}, r"has no current context: It has none\."),
        ({**config("a", {}), "users": None}, "has no user a, which its context a names$"),
        (config("a", server=" https://10.96.0.1:443 "), "cannot be used: Port could not be cast"),
        ({**config(), "clusters": None}, "Expected object with name a in .*clusters list"),
        (config("a", {"tokenFile": "nowhere"}), r"the tokenFile .*/nowhere cannot be read: No such file"),
        (config("a", {"client-certificate": "nowhere", "client-key": "nowhere"}), "cannot be used: .*nowhere"),
        (config("a", {"auth-provider": {"name": "azure"}}), r"auth-provider azure cannot be used: .* exec"),
        (config("a", {"auth-provider": {"name": "gcp"}}), r"auth-provider gcp cannot be used: "),
        (config("a", server="10.96.0.1:443"), r"names the server 10.96.0.1:443: It must begin with https://"),
        (config("a", **{"proxy-url": "socks5://me:s3cret@10.0.0.1"}), r"it speaks socks5: An http or https proxy"),
        (config("a", server="https://me:s3cret@10.96.0.1"), "names a user in its server's URL: Say it as the user's"),
        (config("a", {"token": "s3cret\n"}), "names a token of several lines"),
        ({**config(), "users": {"a": "s3cret"}}, "cannot be used: "),
        ("users: [{token: s3cret", "cannot be used: while parsing"),
        ("- s3cret", "is no YAML mapping"),
        ("", "cannot be used: It is empty"),
    ],
)
async def test_what_cannot_be_used(write: Write, made: Config | str, error: str) -> None:
    with pytest.raises(NoLoginError, match=error) as caught:
        await entered(write("config", made))
    assert "s3cret" not in str(caught.value)


async def test_a_command_that_wants_a_terminal(write: Write) -> None:
    user = {"exec": {"apiVersion": V1, "command": "false", "interactiveMode": "Always"}}
    with pytest.raises(NoLoginError, match=r"`false` failed \(exit code 1\): It wants a terminal: run it by hand"):
        await entered(write("config", config("a", user)))


async def test_a_command_of_an_older_version(
    write: Write, write_command: Callable[..., Config], tmp_path: Path
) -> None:
    beta = "client.authentication.k8s.io/v1beta1"
    ends = "2999-01-01T00:00:00.123456789+02:00"  # Go's nanoseconds
    user = write_command(beta, token="t", expirationTimestamp=ends)
    user["exec"] |= {"args": None, "env": [{"name": "EMPTY"}], "provideClusterInfo": True}
    write("ca", "CA")
    granted = await entered(write("config", config("a", user, **{"certificate-authority": "ca"})))
    assert token_of(granted) == "Bearer t"
    assert (granted.lifetime or 0) > 1e9
    said = json.loads(text_of(tmp_path / "said"))
    assert said["apiVersion"] == beta
    assert said["spec"]["cluster"]["certificate-authority-data"] == base64.b64encode(b"CA").decode()


@pytest.mark.parametrize("ends", ["soon", "2999-01-01T00:00:00"])
async def test_a_command_that_does_not_know_when_its_token_ends(
    write: Write, write_command: Callable[..., Config], ends: str
) -> None:
    user = write_command(token="s3cret", expirationTimestamp=ends)
    with pytest.raises(NoLoginError, match=f"printed the expirationTimestamp '{ends}'"):
        await entered(write("config", config("a", user)))


async def test_somebody_else(api_server: ApiServer, write: Write) -> None:
    """``kubectl --as`` in a kubeconfig: dropped without a word, kernels would be the real account's."""
    other = {"as": "jane", "as-uid": "7", "as-groups": ["a,b", "c"], "as-user-extra": {"Team/x": ["y", "z"]}}
    made = config("a", {"token": "t", **other}, server=api_server.url)
    sent: list[tuple[str, str]] = []

    async def note(request: web.Request) -> None:
        sent.extend((name, value) for name, value in request.headers.items() if name.startswith("Impersonate"))

    api_server.hold = note
    connection = await Connection.open(ClusterKey(write("config", made)), "test")
    async with connection.send("GET", "/api/v1/pods", seconds=10):
        assert len(sent) == 6
    async with connection.websocket("/api/v1/namespaces/a/pods/b/portforward", {}):
        assert len(sent) == 12
    await connection.close()
    assert sent[:6] == sent[6:]
    assert sorted(sent[:6]) == [
        ("Impersonate-Extra-Team%2Fx", "y"),
        ("Impersonate-Extra-Team%2Fx", "z"),
        ("Impersonate-Group", "a,b"),
        ("Impersonate-Group", "c"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-User", "jane"),
    ]


async def test_a_server_below_a_path(api_server: ApiServer, write: Write) -> None:
    """Rancher's, Teleport's."""
    made = config("a", server=f"{api_server.url}/k8s/clusters/c-1/")
    connection = await Connection.open(ClusterKey(write("config", made)), "test")
    async with connection.send("GET", "/api/v1/pods", seconds=10) as answer:
        assert answer.status == 200
    await connection.close()
    assert api_server.authorizations[-1][1] == "/k8s/clusters/c-1/api/v1/pods"


async def test_certificates_are_not_checked_where_that_is_said(write: Write) -> None:
    granted = await entered(write("config", config("a", **{"insecure-skip-tls-verify": True})))
    pool = Pool(granted.configuration)
    assert (pool._ssl.verify_mode, pool._ssl.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine's loopback: it is NOT tested here")
async def test_a_server_with_an_address_of_ipv6(
    api_server: ApiServer, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await asyncio.start_server(lambda r, w: splice(r, w, api_server.url), "::1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with server:
        connection = await Connection.open(
            ClusterKey(write("config", config("a", server=f"http://[::1]:{port}"))), "test"
        )
        async with connection.send("GET", "/api/v1/pods", seconds=10) as answer:
            assert answer.status == 200
        async with connection.websocket("/api/v1/namespaces/a/pods/b/portforward", {}) as socket:
            await socket.send_bytes(b"hello")
            assert await socket.receive_bytes() == b"hello"
        await connection.close()


async def splice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
    """Carries a connection to another address."""
    host, port = url.removeprefix("http://").split(":")
    there = await asyncio.open_connection(host, int(port))

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    await asyncio.gather(carry(reader, there[1]), carry(there[0], writer))
