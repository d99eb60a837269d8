"""The heartbeat: echoed or not, with encryption or without."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import zmq

from kubernel_provisioner.reach.heartbeat import Curve, echo


def _serve(bound: zmq.Socket[bytes], stop: threading.Event) -> None:
    while not stop.is_set():
        if bound.poll(10):
            bound.send_multipart(bound.recv_multipart())
    bound.close(0)


@pytest.fixture
def kernel() -> Iterator[Callable[[Curve | None], int]]:
    """Starts a kernel's heartbeat, and returns its port."""
    context, stop, threads = zmq.Context(), threading.Event(), []

    def start(curve: Curve | None) -> int:
        bound = context.socket(zmq.ROUTER)
        if curve is not None:
            bound.curve_server = True
            bound.curve_publickey, bound.curve_secretkey = curve.public.encode(), curve.secret.encode()
        port = bound.bind_to_random_port("tcp://127.0.0.1")
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
