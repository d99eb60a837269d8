"""Credentials that end while others read, wait and forward ports."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
from aiohttp import web
from kubernetes.aio.config import incluster_config

from kubernel_cluster import connection as connection_module
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.connection import Connection
from kubernel_cluster.errors import ApiError, ApiUnavailableError, NoLoginError
from kubernel_cluster.login import IN_CLUSTER, ClusterKey, Login, log_in

from .api_server import ApiServer

WriteKubeconfig = Callable[..., str]
PLUGIN = """#!/bin/sh
echo x >> {folder}/runs
[ -s {folder}/token ] || {{ echo "SSO session expired: run sso login" >&2; exit 255; }}
cat <<END
{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
 "status": {{"token": "$(cat {folder}/token)" {more}}}}}
END
"""


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[Cluster]:
    cluster = await Cluster.open(ClusterKey(path), "test")
    try:
        yield cluster
    finally:
        await cluster.close()


def use_another_context(path: str) -> None:
    """As ``kubectl config use-context`` does, for a cluster that is not there."""
    config = json.loads(Path(path).read_text())
    config["clusters"].append({"name": "other", "cluster": {"server": "http://127.0.0.1:1"}})
    config["contexts"].append({"name": "other", "context": {"cluster": "other", "user": "u"}})
    Path(path).write_text(json.dumps({**config, "current-context": "other"}))


class Plugin:
    """An exec plugin that gives out what is in a file."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self._folder = folder
        self.command = folder / "plugin"
        self.command.write_text(PLUGIN.format(folder=folder, more=more))
        self.command.chmod(0o755)
        self.user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(self.command)}}

    def give_out(self, token: str) -> None:
        """From now on; "": it fails."""
        (self._folder / "token").write_text(token)

    @property
    def runs(self) -> int:
        """How often it ran."""
        return (self._folder / "runs").read_text().count("x")


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """One that gives out t1."""
    plugin = Plugin(tmp_path)
    plugin.give_out("t1")
    return plugin


async def test_a_token_that_ends_is_read_anew(api_server: ApiServer, write_kubeconfig: WriteKubeconfig) -> None:
    api_server.token = "t1"
    async with opened(write_kubeconfig(api_server.url, {"token": "t1"})) as cluster:
        await cluster.list("/pods")
        api_server.token = "t2"
        write_kubeconfig(api_server.url, {"token": "t2"})
        await cluster.list("/pods")
        api_server.token = "t3"
        write_kubeconfig(api_server.url, {"token": "t3"})
        await cluster.list("/pods")
    sent = [authorization for _, _, authorization in api_server.authorizations]
    assert sent == [f"Bearer {token}" for token in ("t1", "t1", "t2", "t2", "t3")]


async def test_an_open_watch_goes_on(api_server: ApiServer, write_kubeconfig: WriteKubeconfig) -> None:
    """Closing the session under its reader would leave it waiting for ever."""
    api_server.token = "t1"
    async with opened(write_kubeconfig(api_server.url, {"token": "t1"})) as cluster:
        events = cluster.watch("/pods", {})
        reading = asyncio.create_task(anext(events))
        stream = await api_server.watches.get()
        api_server.token = "t2"
        write_kubeconfig(api_server.url, {"token": "t2"})
        await cluster.list("/pods")
        stream.send("ADDED", {"a": 1})
        async with asyncio.timeout(10):
            assert await reading == {"type": "ADDED", "object": {"a": 1}}
        stream.end()
        assert [event async for event in events] == []


async def test_a_forwarded_port_and_a_request_in_flight_go_on(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig
) -> None:
    api_server.token = "t1"
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> None:
        if request.path == "/slow":
            arrived.set()
            await go_on.wait()
            api_server.token = request.headers["Authorization"].split()[1]  # it was let in before the token ended

    api_server.hold = hold
    async with opened(write_kubeconfig(api_server.url, {"token": "t1"})) as cluster:
        async with cluster.websocket("/portforward", {}) as socket:
            slow = asyncio.create_task(cluster.get("/slow"))
            await arrived.wait()
            api_server.token = "t2"
            write_kubeconfig(api_server.url, {"token": "t2"})
            await cluster.list("/pods")
            await socket.send_bytes(b"hello")
            assert (await socket.receive(10)).data == b"hello"
            go_on.set()
            assert await slow
        assert [a for _, path, a in api_server.authorizations if path == "/slow"] == ["Bearer t1"]


async def test_ten_requests_that_are_refused_at_once_log_in_once(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig, plugin: Plugin
) -> None:
    """Ten runs of a login command may be ten browser windows."""
    api_server.token = "t1"
    async with opened(write_kubeconfig(api_server.url, plugin.user)) as cluster:
        plugin.give_out("t2")
        api_server.token = "t2"
        await asyncio.gather(*(cluster.list("/pods") for _ in range(10)))
    assert plugin.runs == 2


async def test_a_refused_websocket_logs_in_anew(api_server: ApiServer, write_kubeconfig: WriteKubeconfig) -> None:
    api_server.token = "t2"
    async with opened(write_kubeconfig(api_server.url, {"token": "t1"})) as cluster:
        write_kubeconfig(api_server.url, {"token": "t2"})
        async with cluster.websocket("/portforward", {"ports": 1}) as socket:
            await socket.send_bytes(b"x")
            assert (await socket.receive(10)).data == b"x"


async def test_a_login_command_that_fails_is_quoted_and_never_makes_anonymous_requests(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_server.token = "t1"
    async with opened(write_kubeconfig(api_server.url, plugin.user)) as cluster:
        api_server.token = "t2"
        plugin.give_out("")
        for _ in range(3):
            with pytest.raises(NoLoginError, match=r"plugin` failed \(exit code 255\): SSO session expired: run sso"):
                await cluster.list("/pods")
        assert plugin.runs == 2, "it is left alone for a while"
        monkeypatch.setattr(connection_module, "RENEWAL_PAUSE_SECONDS", 0.0)
        cluster._connection._paused_until = 0.0
        plugin.give_out("t2")  # the user logged in
        await cluster.list("/pods")
    assert None not in [authorization for _, _, authorization in api_server.authorizations]


async def test_a_login_that_fails_for_long_is_said_once(
    api_server: ApiServer,
    write_kubeconfig: WriteKubeconfig,
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And again after one that went well."""
    monkeypatch.setattr(connection_module, "RENEWAL_PAUSE_SECONDS", 0.0)
    api_server.token = "t1"
    async with opened(write_kubeconfig(api_server.url, plugin.user)) as cluster:
        for token in ("t2", "t3"):
            api_server.token = token
            plugin.give_out("")
            for _ in range(3):
                with pytest.raises(NoLoginError):
                    await cluster.list("/pods")
            plugin.give_out(token)
            await cluster.list("/pods")
    assert plugin.runs == 1 + 2 * 4
    assert [record.levelname for record in caplog.records if "were not renewed" in record.message] == ["WARNING"] * 2


async def test_a_token_that_stays_refused_is_an_answer(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig, plugin: Plugin
) -> None:
    api_server.token = "another"
    async with opened(write_kubeconfig(api_server.url, plugin.user)) as cluster:
        for _ in range(3):
            with pytest.raises(ApiError, match=r"^401 Unauthorized"):
                await cluster.list("/pods")
    assert plugin.runs == 2


async def test_anonymous_is_refused_like_a_token(api_server: ApiServer, write_kubeconfig: WriteKubeconfig) -> None:
    """The API server says 403 to whoever brings nothing."""
    api_server.token = "t1"
    async with opened(write_kubeconfig(api_server.url, {})) as cluster:
        with pytest.raises(ApiError, match="system:anonymous"):
            await cluster.list("/pods")
        write_kubeconfig(api_server.url, {"token": "t1"})
        await cluster.list("/pods")


async def test_credentials_are_renewed_before_they_end(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_server.token = "t1"
    plugin = Plugin(tmp_path, ', "expirationTimestamp": "2999-01-01T00:00:00Z"')
    plugin.give_out("t1")
    now = 0.0
    async with opened(write_kubeconfig(api_server.url, plugin.user)) as cluster:
        await cluster.list("/pods")
        assert plugin.runs == 1
        now = cluster._connection._renew_at or 0.0
        monkeypatch.setattr(connection_module.time, "monotonic", lambda: now)
        plugin.give_out("t2")
        await cluster.list("/pods")  # with the old one, which is good still
        while cluster._connection._renewal is not None:
            await asyncio.wait({cluster._connection._renewal})
        api_server.token = "t2"
        await cluster.list("/pods")
    assert plugin.runs == 2
    sent = [authorization for _, _, authorization in api_server.authorizations]
    assert sent == ["Bearer t1", "Bearer t1", "Bearer t2"], "nobody was refused"


async def test_another_address_is_found_in_the_kubeconfig(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig
) -> None:
    """minikube and kind have another port after a restart."""
    async with opened(write_kubeconfig("http://127.0.0.1:1", {"token": "t1"})) as cluster:
        with pytest.raises(ApiUnavailableError):
            await cluster.list("/pods")
        write_kubeconfig(api_server.url, {"token": "t1"})
        await cluster.list("/pods")
        assert cluster.host == api_server.url


async def test_another_current_context_is_no_other_cluster(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig
) -> None:
    """``kubectl config use-context`` is for the next kubectl."""
    api_server.token = "t2"
    path = write_kubeconfig(api_server.url, {"token": "t1"})
    async with opened(path) as cluster:
        write_kubeconfig(api_server.url, {"token": "t2"})
        use_another_context(path)
        await cluster.list("/pods")
        assert (cluster.host, cluster.namespace) == (api_server.url, "jhub")


async def test_other_certificates_take_other_connections_and_leave_the_old_ones_to_their_users(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig, tmp_path: Path
) -> None:
    api_server.token = "t1"
    async with opened(write_kubeconfig(api_server.url, {"token": "t1"})) as cluster:
        events = cluster.watch("/pods", {})
        reading = asyncio.create_task(anext(events))
        stream = await api_server.watches.get()
        first = cluster._connection._pool
        api_server.token = "t2"
        write_kubeconfig(api_server.url, {"token": "t2"}, **{"insecure-skip-tls-verify": True})
        await cluster.list("/pods")
        assert cluster._connection._pool is not first
        stream.send("ADDED", {})
        assert await reading
        assert not first._session.closed
        stream.end()
        assert [event async for event in events] == []
        assert first._session.closed


async def test_a_watch_that_is_silent_ends_by_its_own_limit(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig
) -> None:
    async with opened(write_kubeconfig(api_server.url, {"token": "t1"})) as cluster:
        with pytest.raises(ApiUnavailableError, match="nothing came for 0 s"):
            await anext(cluster.watch("/pods", {}, silence_seconds=0.05))


async def test_a_watch_whose_session_was_closed_ends_too(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig
) -> None:
    """aiohttp wakes no reader when its session is closed; the limit around the read does."""
    async with opened(write_kubeconfig(api_server.url, {"token": "t1"})) as cluster:
        reading = asyncio.create_task(anext(cluster.watch("/pods", {}, silence_seconds=0.5)))
        stream = await api_server.watches.get()
        await cluster.close()
        with pytest.raises(ApiUnavailableError):
            await reading
        stream.end()


async def test_who_asks_is_named(api_server: ApiServer, write_kubeconfig: WriteKubeconfig) -> None:
    """The API server makes the field manager of it: kubernel-operator."""
    connection = await Connection.open(ClusterKey(write_kubeconfig(api_server.url, {})), "kubernel-operator")
    async with connection.send("GET", "/pods", seconds=10):
        pass
    await connection.close()
    assert api_server.headers[0]["User-Agent"] == f"kubernel-operator/{version('kubernel')}"


async def test_an_account_whose_token_ends_with_a_newline(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``kubectl create token a >token`` writes it, for a container that is to look like a pod; kubectl takes it."""
    (tmp_path / "token").write_text("t\n")
    (tmp_path / "ca.crt").write_text("CA")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    granted = await log_in(ClusterKey(IN_CLUSTER, namespace="jhub"))
    granted.configuration.host, granted.configuration.ssl_ca_cert = api_server.url, None

    async def never() -> Login:
        raise NotImplementedError

    connection = Connection(granted, never, "test")
    async with connection.send("GET", "/api/v1/pods", seconds=10) as answer:
        assert answer.status == 200
    await connection.close()
    assert [token for _, _, token in api_server.authorizations] == ["bearer t"]


async def test_a_proxy_from_the_environment(
    api_server: ApiServer, write_kubeconfig: WriteKubeconfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", api_server.url)
    monkeypatch.setenv("NO_PROXY", "192.168.0.0/16")
    async with opened(write_kubeconfig("http://10.96.0.1", {})) as cluster:
        assert (await cluster.list("/pods")).version == 5
        async with cluster.websocket("/portforward", {}) as socket:
            await socket.send_bytes(b"x")
            assert (await socket.receive(10)).data == b"x"


async def test_a_proxys_password_is_in_no_error(write_kubeconfig: WriteKubeconfig) -> None:
    """aiohttp quotes its URL when the proxy refuses."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        url = f"http://me:s3cret@127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        async with opened(write_kubeconfig("https://10.96.0.1", {}, **{"proxy-url": url})) as cluster:
            with pytest.raises(ApiUnavailableError, match="407, message='Proxy Authentication Required'") as caught:
                await cluster.get("/pods")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
