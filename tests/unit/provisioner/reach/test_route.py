"""The way to a kernel: which one is chosen, when it counts as proved, and what is said when there is none."""

import asyncio
import socket

import pytest

from fixtures.fake_api_server import PORT_FORWARD, FakeApiServer, failure
from fixtures.kernel_pod import HOST, Pod
from kubernel_api.constants import PORTS
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import KernelUnreachableError
from kubernel_provisioner.reach import port_forward, route
from kubernel_provisioner.reach.route import CONNECTIONS, Endpoint, Route, adopt_route, find_route, prepare, prove

# A port that nobody listens on: the lowest are given to system services only.
NOBODY = 1


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "TRIAL_SECONDS", 0.2)


async def find(cluster: Cluster, access: str, direct: dict[str, object], way: Route | None = None) -> Route:
    """The route, once it is found."""
    way = way or Route()
    await find_route(way, access, cluster, direct, lambda: "k-1-1")
    return way


@pytest.mark.parametrize(
    ("access", "known", "is_near", "is_direct", "then_known"),
    [
        pytest.param("direct", None, True, True, None, id="direct"),
        pytest.param("direct", False, True, True, False, id="direct, whatever others found"),
        pytest.param("port-forward", None, True, False, None, id="port-forward"),
        pytest.param("port-forward", True, True, False, True, id="port-forward, whatever others found"),
        pytest.param("auto", None, True, True, True, id="auto tries, and remembers what works"),
        pytest.param("auto", None, False, False, False, id="auto tries, and remembers what does not"),
        pytest.param("auto", True, True, True, True, id="auto remembers direct"),
        pytest.param("auto", False, True, False, False, id="auto remembers port-forward"),
    ],
)
async def test_the_choice(
    cluster: Cluster,
    server: FakeApiServer,
    pod: Pod,
    access: str,
    known: bool | None,
    is_near: bool,
    is_direct: bool,
    then_known: bool | None,
) -> None:
    server.forwards = pod.forwards()
    cluster.direct = known
    way = await find(cluster, access, pod.info() if is_near else pod.info(hb_port=NOBODY))
    assert (way.forward is None) is is_direct
    assert cluster.direct is then_known
    await way.close()


async def test_in_a_pod_auto_is_direct_without_a_trial(
    cluster: Cluster, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that is slow to answer must not make a hub's pods go through the API server."""
    monkeypatch.setattr(route, "PATIENCE_SECONDS", 0.2)
    cluster.is_around = True
    with pytest.raises(KernelUnreachableError, match="does not answer at"):
        await find(cluster, "auto", pod.info(hb_port=NOBODY))
    assert server.requests == []


async def test_a_direct_way_that_ends_is_forgotten(
    cluster: Cluster, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P24: with the VPN off, each start was an error for the rest of the process's life."""
    monkeypatch.setattr(route, "PATIENCE_SECONDS", 0.4)
    server.forwards, cluster.direct = pod.forwards(), True
    way = await find(cluster, "auto", pod.info(hb_port=NOBODY))
    assert (way.forward is not None, cluster.direct) == (True, False)
    await way.close()


async def test_a_detour_is_not_for_ever(
    cluster: Cluster, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P24: one slow kernel sent all later ones through the API server."""
    monkeypatch.setattr(route, "FORGET_SECONDS", 0.0)
    server.forwards = pod.forwards()
    slow = await find(cluster, "auto", pod.info(hb_port=NOBODY))
    while cluster.direct is not None:  # noqa: ASYNC110 - the timer's turn
        await asyncio.sleep(0)
    way = await find(cluster, "auto", pod.info())
    assert (way.forward, cluster.direct) == (None, True)
    await slow.close()


async def test_a_slow_kernel_where_no_port_forward_is_allowed(
    cluster: Cluster, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "PATIENCE_SECONDS", 0.4)
    answers = iter([False, True])

    async def slow(direct: object, seconds: float) -> bool:
        return next(answers)

    monkeypatch.setattr(route, "_answers", slow)
    way = await find(cluster, "auto", pod.info())
    assert (way.forward, cluster.direct) == (None, True)


async def test_it_is_decided_once(cluster: Cluster, server: FakeApiServer, pod: Pod) -> None:
    """A restart keeps the way and its local ports, also when another one would be chosen today."""
    server.forwards = pod.forwards()
    way = await find(cluster, "port-forward", pod.info())
    forward, cluster.direct = way.forward, True
    for access in ("auto", "direct", "port-forward"):
        await find(cluster, access, pod.info(), way)
        assert way.forward is forward
    await way.close()


async def test_all_channels_take_the_time_of_one(cluster: Cluster, server: FakeApiServer, pod: Pod) -> None:
    """Far away: all are asked for before the first is answered, and clients find them open."""
    server.forwards = pod.forwards()
    gate = server.gates["GET", PORT_FORWARD] = asyncio.Event()
    finding = asyncio.create_task(find(cluster, "port-forward", pod.info()))
    while server.calls().count(("GET", PORT_FORWARD)) < len(PORTS):  # noqa: ASYNC110 - the client's turn
        await asyncio.sleep(0)
    gate.set()
    way = await finding
    info = way.info(pod.info())
    greetings = await asyncio.gather(*(first_byte(info[f"{name}_port"]) for name in PORTS))
    assert greetings == [b"\xff"] * len(PORTS)
    assert server.calls().count(("GET", PORT_FORWARD)) == len(PORTS)
    assert await first_byte(info["hb_port"]) == b"\xff"
    assert server.calls().count(("GET", PORT_FORWARD)) == len(PORTS) + 1
    await way.close()


async def first_byte(port: int) -> bytes:
    """What a ZMQ socket says first."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        return await reader.readexactly(1)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
async def test_every_port_of_the_kernel_has_to_answer(
    cluster: Cluster, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setattr(route, "PATIENCE_SECONDS", 0.4)
    server.forwards = {**pod.forwards(), port: NOBODY}
    with pytest.raises(KernelUnreachableError, match="does not answer through the API server"):
        await find(cluster, "port-forward", pod.info())


async def test_channels_that_nobody_takes_are_closed(
    cluster: Cluster, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "AHEAD_SECONDS", 0)
    server.forwards = pod.forwards()
    way = await find(cluster, "port-forward", pod.info())
    assert way.forward is not None
    while way.forward._ahead or way.forward._connections:  # noqa: ASYNC110 - the timer's turn
        await asyncio.sleep(0.01)
    await way.close()


async def test_a_kernel_that_does_not_answer_at_its_address(pod: Pod) -> None:
    with pytest.raises(KernelUnreachableError) as caught:
        await prove(Route(), pod.info(hb_port=NOBODY), 0.2)
    assert str(caught.value) == (
        f"The kernel runs, but does not answer at {HOST}:{NOBODY} from here.\n"
        "This machine is outside the cluster's network, or a NetworkPolicy keeps it out.\n"
        "Try: KUBERNEL_ACCESS=port-forward"
    )


@pytest.mark.parametrize(
    ("is_allowed", "why"),
    [
        pytest.param(True, "Nothing came back for 0 s.", id="silence"),
        pytest.param(False, "403 : port-forward to pod k-1-1: Invalid response status", id="no right"),
    ],
)
async def test_a_kernel_that_does_not_answer_through_the_api_server(
    cluster: Cluster,
    server: FakeApiServer,
    pod: Pod,
    listeners: list[asyncio.Server],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    is_allowed: bool,
    why: str,
) -> None:
    monkeypatch.setattr(route, "PATIENCE_SECONDS", 0.4)
    mute = socket.create_server((HOST, 0))  # connections are accepted, and nothing is said
    request.addfinalizer(mute.close)
    if is_allowed:
        server.forwards = dict.fromkeys(PORTS.values(), mute.getsockname()[1])
    else:
        server.answers["GET", PORT_FORWARD] = [failure(403, "Forbidden")]
    way = Route()
    with pytest.raises(KernelUnreachableError) as caught:
        await find(cluster, "port-forward", pod.info(), way)
    assert str(caught.value).replace(" \\\n    ", " ") == (
        "The kernel runs, but does not answer through the API server.\n"
        f"{why}\n"
        f"Try: {cluster.api.key.kubectl()} port-forward -n jhub pod/k-1-1 {pod.hb_port}"
    )
    assert (way.forward, way.is_found) == (None, False)
    assert [listener for listener in listeners if listener.is_serving()] == []


async def test_what_clients_get(cluster: Cluster, server: FakeApiServer, pod: Pod) -> None:
    server.forwards = pod.forwards()
    way = await find(cluster, "port-forward", pod.info())
    assert way.forward is not None
    ports = way.forward.ports
    assert len(set(ports.values())) == 6
    local = {f"{name}_port": ports[name] for name in ("shell", "iopub", "stdin", "control", "hb")}
    assert way.info(pod.info()) == {**pod.info(), "ip": "127.0.0.1", **local}
    assert way.control(pod.status()["connection"]) == Endpoint("127.0.0.1", ports["supervisor"])
    known, connection = way.info(pod.info()), pod.status()["connection"] | {"ip": "10.0.0.7"}
    await way.close()
    direct, again = await adopt_route(cluster.api, known, connection, lambda: "k-1-1")
    assert direct == {**pod.info(), "ip": "10.0.0.7"}
    assert again.is_found
    assert again.info(pod.info()) == {**pod.info(), "ip": "127.0.0.1", **local}
    await again.close()
    assert Route().info(pod.info()) == pod.info()


async def test_a_direct_way_whose_address_has_changed(cluster: Cluster) -> None:
    """Without a Service it is the pod's, which was replaced since its clients had it: that is no port-forward."""
    known = {"ip": "10.0.0.7", "hb_port": 5, "key": b"k"}
    direct, way = await adopt_route(cluster.api, known, {"ip": "10.0.0.8", "ports": {"hb": 5}}, lambda: "k-1-2")
    assert (way.forward, way.is_found) == (None, True)
    assert direct == {**known, "ip": "10.0.0.8"}


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        pytest.param(
            {"controlPort": 1, "podIP": "10.0.0.7", "ip": "10.96.0.7"}, Endpoint("10.0.0.7", 1), id="the pod's own"
        ),
        pytest.param({"controlPort": 1, "ip": "10.0.0.7"}, Endpoint("10.0.0.7", 1), id="no Service"),
        pytest.param({"ip": "10.0.0.7"}, None, id="no supervisor"),
        pytest.param({"controlPort": 1}, None, id="no address yet"),
        pytest.param({}, None, id="no connection yet"),
    ],
)
def test_the_supervisors_address(connection: dict[str, object], expected: Endpoint | None) -> None:
    assert Route().control(connection) == expected


@pytest.mark.parametrize(
    ("access", "known", "is_prepared"),
    [
        ("port-forward", None, True),
        ("auto", False, True),
        ("auto", None, False),
        ("auto", True, False),
        ("direct", None, False),
    ],
)
async def test_connections_are_open_before_the_kernel_is_ready(
    cluster: Cluster, server: FakeApiServer, pod: Pod, access: str, known: bool | None, is_prepared: bool
) -> None:
    """Far away each of the channels would wait for two handshakes of its own."""
    cluster.direct = known
    await prepare(Route(), access, cluster)
    asked = server.calls().count(("GET", "/version"))
    assert asked == (CONNECTIONS if is_prepared else 0)


async def test_the_channels_take_the_connections_that_are_open(
    cluster: Cluster, server: FakeApiServer, pod: Pod
) -> None:
    server.forwards = pod.forwards()
    server.peers.clear()
    await prepare(Route(), "port-forward", cluster)
    opened = set(server.peers)
    way = await find(cluster, "port-forward", pod.info())
    channels = server.peers[CONNECTIONS:]
    await way.close()
    assert (len(channels), set(channels) - opened) == (len(PORTS), set())


async def test_channels_wait_for_connections_that_are_on_their_way(
    cluster: Cluster, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those are there sooner than others would be."""
    monkeypatch.setattr(route, "PREPARED_SECONDS", 60.0)
    server.forwards = pod.forwards()
    server.gates["GET", "/version"] = asyncio.Event()
    way = Route()
    way.preparing = asyncio.create_task(prepare(way, "port-forward", cluster))
    finding = asyncio.create_task(find(cluster, "port-forward", pod.info(), way))
    await server.asked("GET", "/version")
    assert ("GET", PORT_FORWARD) not in server.calls()
    server.gates["GET", "/version"].set()
    await finding
    assert server.calls().index(("GET", PORT_FORWARD)) == CONNECTIONS
    await way.close()


async def test_channels_do_not_wait_for_connections_that_got_lost(
    cluster: Cluster, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "PREPARED_SECONDS", 0.0)
    server.forwards = pod.forwards()
    server.gates["GET", "/version"] = asyncio.Event()
    way = Route()
    way.preparing = asyncio.create_task(prepare(way, "port-forward", cluster))
    await find(cluster, "port-forward", pod.info(), way)
    server.gates["GET", "/version"].set()
    await way.preparing
    await way.close()


async def test_a_way_that_is_known_decides_what_is_prepared(cluster: Cluster, server: FakeApiServer) -> None:
    await prepare(Route(is_found=True), "port-forward", cluster)
    assert server.calls() == []
