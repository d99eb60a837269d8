"""An API server of a few lines: enough for a client to talk to, and it does as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kubernel_cluster.login import ClusterKey
from kubernel_provisioner import KubernetesProvisioner, launching
from kubernel_provisioner import provisioner as provisioner_module
from kubernel_provisioner.api import Api
from kubernel_provisioner.background import Background
from kubernel_provisioner.cluster import Cluster, shared_cluster

from .pod import Pod

Json = dict[str, Any]
NAMESPACE = "jhub"
INSTANCES = f"/apis/kubernel.dev/v1beta1/namespaces/{NAMESPACE}/kernelinstances"
KERNEL = f"{INSTANCES}/k-1"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
LEASE = f"{LEASES}/kubernel-server-s"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/k-1-u1"
PORT_FORWARD = f"/api/v1/namespaces/{NAMESPACE}/pods/k-1-1/portforward"


def instance(name: str = "k-1", version: int = 5, *, uid: str = "u1", server: str = "s", **status: Any) -> Json:
    """A KernelInstance as the API server sends it."""
    metadata = {"name": name, "namespace": NAMESPACE, "uid": uid, "resourceVersion": str(version), "generation": 1}
    labels = {"labels": {"kubernel.dev/server": server}}
    return {"metadata": {**metadata, **labels}, "spec": {"restartGeneration": 0}, "status": status}


def failure(status: int, reason: str = "", **details: Any) -> tuple[int, Json]:
    """An answer that is an error."""
    return status, {"kind": "Status", "code": status, "reason": reason, "message": reason, "details": details}


def listing(version: int, *items: Json) -> tuple[int, Json]:
    """The answer to a list."""
    return 200, {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


@dataclass
class Stream:
    """A watch that a client has opened."""

    query: dict[str, str]
    events: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    def send(self, kind: str, object_: Json) -> None:
        """Sends an event."""
        self.events.put_nowait(json.dumps({"type": kind, "object": object_}).encode() + b"\n")

    def send_raw(self, line: bytes) -> None:
        """Sends what is no event."""
        self.events.put_nowait(line)

    def end(self) -> None:
        """Ends the watch, as an API server does every few minutes."""
        self.events.put_nowait(None)


class FakeApiServer:
    """Answers as told: ``answers[method, path]`` is a list of (status, body), the last of which stays.

    A request waits at ``gates[method, path]``, if there is one. ``forwards`` has local ports by ports of any pod.
    """

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[tuple[int, Json]]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.watches: asyncio.Queue[Stream] = asyncio.Queue()
        self.watch_answers: list[tuple[int, Json]] = []
        self.gates: dict[tuple[str, str], asyncio.Event] = {}
        self.forwards: dict[int, int] = {}
        self.port = 0

    def calls(self) -> list[tuple[str, str]]:
        """Methods and paths so far."""
        return [(method, path) for method, path, _ in self.requests]

    async def asked(self, method: str, path: str) -> None:
        """Returns once there was such a request."""
        while (method, path) not in self.calls():  # noqa: ASYNC110 - the client's turn
            await asyncio.sleep(0)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request at all."""
        self.headers.append(dict(request.headers))
        if request.query.get("watch") == "true":
            return await self._watch(request)
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path, body))
        if (gate := self.gates.get((request.method, request.path))) is not None:
            await gate.wait()
        if self.forwards and request.path.endswith("/portforward"):
            return await self._forward(request)
        answers = self.answers.get((request.method, request.path), [failure(404, "NotFound", name="x")])
        status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.json_response(answer, status=status)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if self.watch_answers:
            status, answer = self.watch_answers.pop(0)
            return web.json_response(answer, status=status)
        stream = Stream(dict(request.query))
        response = web.StreamResponse()
        await response.prepare(request)
        self.watches.put_nowait(stream)
        while (line := await stream.events.get()) is not None:
            await response.write(line)
        return response

    async def _forward(self, request: web.Request) -> web.WebSocketResponse:
        port = int(request.query["ports"])
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        for channel in (b"\0", b"\1"):
            await socket.send_bytes(channel + port.to_bytes(2, "little"))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.forwards[port])

        async def download() -> None:
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    await socket.send_bytes(b"\0" + data)
                await socket.close()

        downloading = asyncio.create_task(download())
        try:
            async for message in socket:
                writer.write(message.data[1:])
        finally:
            downloading.cancel()
            writer.close()
        return socket


class HereAndNow(Background):
    """The background without its thread: in the test's own loop."""

    def __init__(self) -> None:
        self.server = "s"
        self.loop = asyncio.get_running_loop()
        self.shared = {}
        self._errands = set()

    async def close(self) -> None:
        """What the end of the process does."""
        await self.finish_errands(10)
        for shared in self.shared.values():
            if isinstance(shared, Cluster):
                await shared.close()


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    """A fake API server that listens."""
    fake = FakeApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.port = runner.addresses[0][1]
    yield fake
    await runner.cleanup()


@pytest.fixture
def write_kubeconfig(tmp_path: Path) -> Callable[..., ClusterKey]:
    """Writes a kubeconfig for an API server at 127.0.0.1, and returns the key for it."""

    def write(port: int, token: str = "t0ken") -> ClusterKey:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return ClusterKey(kubeconfig=str(path))

    return write


@pytest.fixture
def key(server: FakeApiServer, write_kubeconfig: Callable[..., ClusterKey]) -> ClusterKey:
    """Leads to the fake API server."""
    return write_kubeconfig(server.port)


@pytest.fixture
async def api(key: ClusterKey) -> AsyncIterator[Api]:
    """A client of the fake API server."""
    api = await Api.open(key)
    yield api
    await api.close()


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    """Where the product's own work runs: the test's loop."""
    background = HereAndNow()
    yield background
    await background.close()


@pytest.fixture
def usual(server: FakeApiServer) -> None:
    """What an API server answers when a client opens a namespace and closes it."""
    server.answers["POST", LEASES] = [(201, {})]
    server.answers["GET", INSTANCES] = [listing(1)]
    server.answers["DELETE", LEASE] = [(200, {})]


@pytest.fixture
async def cluster(key: ClusterKey, server: FakeApiServer, background: Background, usual: None) -> Cluster:
    """The fake API server's namespace, opened."""
    cluster = await shared_cluster(key, background)
    server.requests.clear()
    return cluster


@pytest.fixture
async def pod() -> AsyncIterator[Pod]:
    """The pod of k-1."""
    pod = Pod()
    await pod.start()
    yield pod
    await pod.close()


@pytest.fixture
async def provisioner(
    key: ClusterKey,
    server: FakeApiServer,
    background: Background,
    pod: Pod,
    usual: None,
    monkeypatch: pytest.MonkeyPatch,
) -> KubernetesProvisioner:
    """One whose kernel is ready as soon as it is asked for."""
    monkeypatch.setattr(provisioner_module, "background", lambda: background)
    monkeypatch.setattr(launching, "SECRET_READ_SECONDS", 0)
    server.answers["POST", INSTANCES] = [(201, instance(**pod.status()))]
    server.answers["GET", SECRET] = [(200, pod.secret())]
    server.answers["PATCH", KERNEL] = [(200, instance(version=6, **pod.status(restart=1)))]
    server.answers["DELETE", KERNEL] = [(200, {})]
    server.answers["GET", KERNEL] = [(200, instance(**pod.status()))]
    server.forwards = pod.forwards()
    return KubernetesProvisioner(kubeconfig=key.kubeconfig, kernel_id="1", access="direct")


@pytest.fixture
async def running(provisioner: KubernetesProvisioner, server: FakeApiServer) -> KubernetesProvisioner:
    """One whose kernel runs."""
    await provisioner.launch_kernel([])
    server.requests.clear()
    return provisioner


@pytest.fixture
def listeners(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Server]:
    """Everything that begins to listen on local ports."""
    started, start_server = [], asyncio.start_server

    async def start(*args: object, **kwargs: object) -> asyncio.Server:
        started.append(await start_server(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(asyncio, "start_server", start)
    return started
