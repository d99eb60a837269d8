"""The heartbeat: echoed or not, with encryption or without."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient

from fixtures.jumping_loop import run_jumping
from fixtures.supervisors import has_ipv6
from kubernel_provisioner.reach.heartbeat import HURRY_SECONDS, Curve, echo
from kubernel_provisioner.reach.route import TRIAL_SECONDS
from kubernel_provisioner.reach.socket_options import use_ipv6


def _serve(bound: zmq.Socket[bytes], stop: threading.Event) -> None:
    while not stop.is_set():
        if bound.poll(10):
            bound.send_multipart(bound.recv_multipart())
    bound.close(0)


@pytest.fixture
def kernel() -> Iterator[Callable[..., int]]:
    """Starts a kernel's heartbeat, and returns its port."""
    context, stop, threads = zmq.Context(), threading.Event(), []

    def start(curve: Curve | None, address: str = "127.0.0.1") -> int:
        bound = context.socket(zmq.ROUTER)
        if curve is not None:
            bound.curve_server = True
            bound.curve_publickey, bound.curve_secretkey = curve.public.encode(), curve.secret.encode()
        bound.ipv6 = ":" in address
        port = bound.bind_to_random_port(f"tcp://{address}")
        threads.append(threading.Thread(target=_serve, args=(bound, stop)))
        threads[-1].start()
        return port

    yield start
    stop.set()
    for thread in threads:
        thread.join()
    context.term()


@pytest.fixture
def keys() -> Curve:
    public, secret = zmq.curve_keypair()
    return Curve(public.decode(), secret.decode())


async def test_an_echo(kernel: Callable[[Curve | None], int]) -> None:
    await echo("127.0.0.1", kernel(None), curve=None, seconds=10)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine's loopback: it is NOT tested here")
async def test_an_echo_by_ipv6(kernel: Callable[..., int]) -> None:
    port = kernel(None, "::1")
    await echo("::1", port, curve=None, seconds=10)
    client = BlockingKernelClient(ip="::1", hb_port=port)
    use_ipv6(client.context, "::1")
    client.hb_channel.start()
    while not client.hb_channel.is_beating():  # noqa: ASYNC110 - it has no events
        await asyncio.sleep(0.01)
    client.hb_channel.stop()


def test_an_address_that_swallows_is_not_tried_like_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """P31: from a laptop the cluster's addresses lead out of the default route, to nobody or to somebody else."""
    tries: list[float] = []

    async def swallow(host: str, port: int) -> None:
        tries.append(asyncio.get_running_loop().time())
        await asyncio.sleep(3600)

    async def trial() -> None:
        with pytest.raises(TimeoutError):
            await echo("10.96.0.7", 18885, curve=None, seconds=TRIAL_SECONDS)

    monkeypatch.setattr(asyncio, "open_connection", swallow)
    run_jumping(trial())
    hurried = [when for when in tries if when < HURRY_SECONDS]  # it may be a new Service
    assert len(hurried) <= HURRY_SECONDS / 0.02 + 1
    assert len(tries) - len(hurried) <= (TRIAL_SECONDS - HURRY_SECONDS) / 0.1 + 2
    assert max(tries) > TRIAL_SECONDS - 0.2, "to the end"


async def test_an_encrypted_echo(kernel: Callable[[Curve | None], int], keys: Curve) -> None:
    await echo("127.0.0.1", kernel(keys), curve=keys, seconds=10)


async def test_without_keys_an_encrypted_kernel_is_silent(kernel: Callable[[Curve | None], int], keys: Curve) -> None:
    with pytest.raises(TimeoutError):
        await echo("127.0.0.1", kernel(keys), curve=None, seconds=0.3)


async def test_a_port_that_opens_later(kernel: Callable[[Curve | None], int]) -> None:
    """As a Service whose address is not programmed yet: refused first, then forwarded."""
    target = kernel(None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    waiting = asyncio.create_task(echo("127.0.0.1", port, curve=None, seconds=10))
    await asyncio.sleep(0)
    server = await asyncio.start_server(lambda r, w: _forward(r, w, target), "127.0.0.1", port)
    async with server:
        await waiting


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    finally:
        writer.close()


async def test_a_port_that_accepts_and_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(TimeoutError):
            await echo("127.0.0.1", silent.getsockname()[1], curve=None, seconds=0.2)
