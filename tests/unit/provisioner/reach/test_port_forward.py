"""Local ports through an API server that echoes what it gets."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import zmq
from aiohttp import WSMsgType, web

from fixtures.fake_api_server import LEASE, NAMESPACE, FakeApiServer
from kubernel_provisioner.cluster import api as api_module
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.reach import port_forward
from kubernel_provisioner.reach.port_forward import PortForward

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class EchoingPods(FakeApiServer):
    """Every pod echoes on every port, but for port 18883, where nobody listens."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[tuple[str, str]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.is_reachable = True
        self.greeting = b""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/portforward"):
            return await super().handle(request)
        self.headers.append(dict(request.headers))
        self.opened.append((request.path, request.query["ports"]))
        if "forbidden" in request.path:
            return web.json_response({"message": "no"}, status=403)
        # Without a network nothing comes back, no pong either.
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"], autoping=self.is_reachable)
        await socket.prepare(request)
        self.sockets.append(socket)
        port = int(request.query["ports"]).to_bytes(2, "little")
        await socket.send_bytes(b"\0" + port)
        await socket.send_bytes(b"\1" + port)
        if self.greeting:
            await socket.send_bytes(b"\0" + self.greeting)
        elif request.query["ports"] == "18883":
            await socket.send_bytes(b"\1connection refused")
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket


@pytest.fixture
async def server() -> AsyncIterator[EchoingPods]:
    fake = EchoingPods()
    async with fake.listening():
        yield fake


@pytest.fixture
def pods() -> list[str]:
    """The name of the pod as it is now."""
    return ["k-1-1"]


@pytest.fixture
async def forward(api: Api, pods: list[str]) -> AsyncIterator[PortForward]:
    forward = await PortForward.open(api, lambda: pods[0])
    yield forward
    await forward.close()


async def ask(forward: PortForward, name: str, data: bytes) -> bytes:
    """What comes back from a port."""
    reader, writer = await asyncio.open_connection(forward.host, forward.ports[name])
    try:
        writer.write(data)
        async with asyncio.timeout(10):
            return await reader.readexactly(len(data))
    finally:
        writer.close()


async def test_a_round_trip(forward: PortForward, server: EchoingPods) -> None:
    assert await ask(forward, "shell", b"hello") == b"hello"
    assert await ask(forward, "supervisor", b"x") == b"x"
    assert server.opened == [(f"{PODS}/k-1-1/portforward", "18881"), (f"{PODS}/k-1-1/portforward", "18886")]
    assert (server.headers[0]["Authorization"], server.headers[0]["Accept"]) == ("Bearer t0ken", "*/*")


async def test_much_data(forward: PortForward) -> None:
    data = bytes(range(256)) * 8192
    assert await ask(forward, "iopub", data) == data


async def test_hundreds_of_connections_leave_the_lease_alone(
    api: Api, forward: PortForward, server: EchoingPods
) -> None:
    """Thirty notebooks with three tabs each: a Lease that waited for a free connection cost all kernels."""
    server.answers["PATCH", LEASE] = [(200, {})]
    held = []
    for name in ("shell", "iopub", "control") * 104:
        reader, writer = await asyncio.open_connection(forward.host, forward.ports[name])
        writer.write(b"1")
        held.append((reader, writer))
    async with asyncio.timeout(60):
        assert [await reader.readexactly(1) for reader, _ in held] == [b"1"] * 312
    async with asyncio.timeout(10):
        await api.patch_lease("kubernel-server-s", {"spec": {}})
    for _, writer in held:
        writer.close()


async def test_a_connection_that_goes_silent_is_given_up_and_the_next_one_works(
    api: Api, pods: list[str], server: EchoingPods, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After a sleep, a change of Wi-Fi, or a NAT that forgets: nothing says that it is dead, and cells would hang."""
    monkeypatch.setattr(api_module, "HEARTBEAT_SECONDS", 0.1)
    server.is_reachable = False
    forward = await PortForward.open(api, lambda: pods[0])
    reader, writer = await asyncio.open_connection(forward.host, forward.ports["shell"])
    writer.write(b"1")
    async with asyncio.timeout(10):
        assert await reader.read() in (b"", b"1")
        assert await reader.read() == b""
    writer.close()
    server.is_reachable = True
    assert await ask(forward, "shell", b"2") == b"2"
    await forward.close()
    assert caplog.messages == []


def test_a_silent_connection_is_given_up_within_half_a_minute() -> None:
    """A pong is waited for half as long as the pings are apart."""
    assert api_module.HEARTBEAT_SECONDS * 1.5 <= 30


async def test_clients_that_come_in_vain_are_kept_waiting(
    forward: PortForward, server: EchoingPods, pods: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZMQ comes again ten times a second with each of a notebook's sockets, while an image is pulled or all night."""
    monkeypatch.setattr(port_forward, "QUICK_SECONDS", 0.3)
    pods[0] = "forbidden"
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.linger = 0
        client.connect(f"tcp://{forward.host}:{forward.ports['shell']}")
        await asyncio.sleep(1.5)
        assert 1 <= len(server.opened) < 7


async def test_clients_that_are_kept_waiting_come_when_the_kernel_answers(
    forward: PortForward, server: EchoingPods, pods: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(port_forward, "HOLD_SECONDS", 60.0)
    pods[0] = "forbidden"
    reader, writer = await asyncio.open_connection(forward.host, forward.ports["shell"])
    while not server.opened:  # noqa: ASYNC110 - the server's turn
        await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(), 0.2)
    pods[0], server.greeting = "k-1-1", b"\xff"
    await forward.open_ahead()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_replaced_pod_is_met_by_the_next_connection(
    forward: PortForward, server: EchoingPods, pods: list[str]
) -> None:
    await ask(forward, "hb", b"1")
    pods[0] = "k-1-2"
    await ask(forward, "hb", b"2")
    assert [path for path, _ in server.opened] == [f"{PODS}/k-1-1/portforward", f"{PODS}/k-1-2/portforward"]


async def test_a_dropped_connection_is_noticed_and_the_next_one_works(
    forward: PortForward, server: EchoingPods
) -> None:
    reader, writer = await asyncio.open_connection(forward.host, forward.ports["shell"])
    writer.write(b"1")
    assert await reader.readexactly(1) == b"1"
    await server.sockets[0].close()
    assert await reader.read() == b""
    writer.close()
    assert await ask(forward, "shell", b"2") == b"2"


@pytest.mark.parametrize(
    ("pod", "name", "error"),
    [
        pytest.param("k-1-1", "stdin", "connection refused", id="nobody listens in the pod"),
        pytest.param(
            "forbidden", "shell", "403 : port-forward to pod forbidden: Invalid response status", id="no right"
        ),
    ],
)
async def test_what_went_wrong_is_kept(forward: PortForward, pods: list[str], pod: str, name: str, error: str) -> None:
    pods[0] = pod
    with pytest.raises(asyncio.IncompleteReadError):
        await ask(forward, name, b"hello")
    assert forward.last_error == error


async def test_local_ports_are_taken_again_where_they_are_free(api: Api, pods: list[str]) -> None:
    first = await PortForward.open(api, lambda: pods[0])
    ports = dict(first.ports)
    busy = await PortForward.open(api, lambda: pods[0], wanted=ports)
    assert set(busy.ports.values()).isdisjoint(ports.values())
    await first.close()
    again = await PortForward.open(api, lambda: pods[0], wanted=ports)
    assert again.ports == ports
    await again.close()
    await busy.close()


@pytest.mark.parametrize("turns", range(30))
async def test_cancelled_while_it_opens_it_listens_no_more(api: Api, pods: list[str], turns: int) -> None:
    before = await PortForward.open(api, lambda: pods[0])
    await before.close()
    opening = asyncio.create_task(PortForward.open(api, lambda: pods[0], wanted=before.ports))
    for _ in range(turns):
        await asyncio.sleep(0)
    if not opening.cancel():
        await opening.result().close()
    await asyncio.wait({opening})
    for port in before.ports.values():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(before.host, port)


async def test_closed_it_ends_its_connections(
    forward: PortForward, server: EchoingPods, caplog: pytest.LogCaptureFixture
) -> None:
    """Python 3.11 logs an error for each connection whose task was cancelled."""
    reader, writer = await asyncio.open_connection(forward.host, forward.ports["shell"])
    writer.write(b"1")
    assert await reader.readexactly(1) == b"1"
    await forward.close()
    assert await reader.read() == b""
    writer.close()
    assert caplog.messages == []
