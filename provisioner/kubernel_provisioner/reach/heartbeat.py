"""Proves that a kernel can be used: its heartbeat is echoed through the address that clients will use."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

# A Service address that kube-proxy has not programmed yet swallows the SYN, and TCP sends the next one a second later.
# So new connections are tried all the time, each given up soon.
TRY_EVERY_SECONDS = 0.02
TRY_SECONDS = 0.3
# An address that swallows for longer may be nobody's: from a laptop, the cluster's lead out of the default route.
HURRY_SECONDS = 2.0
TRY_CALMLY_EVERY_SECONDS = 0.1
# One ping and its echo; a socket that connected to a half-started kernel is given up after that.
ECHO_SECONDS = 2.0


@dataclass(frozen=True)
class Curve:
    """CurveZMQ keys of a kernel, Z85. The clients hold its secret key too: one key pair for all."""

    public: str
    secret: str


async def echo(host: str, port: int, *, curve: Curve | None, seconds: float) -> None:
    """Returns once the heartbeat at that address was echoed.

    Args:
        host: address or host name.
        port: the heartbeat port.
        curve: keys of an encrypted kernel.
        seconds: patience for it all.

    Raises:
        TimeoutError: nothing came back in that time.
    """
    async with asyncio.timeout(seconds):
        await _until_connectable(host, port)
        while not await _ping(host, port, curve):  # noqa: ASYNC110 - each turn is a new attempt
            await asyncio.sleep(TRY_EVERY_SECONDS)


async def _until_connectable(host: str, port: int) -> None:
    tries: set[asyncio.Task[bool]] = set()
    time = asyncio.get_running_loop().time
    hurry_until = time() + HURRY_SECONDS
    try:
        while True:
            tries.add(asyncio.create_task(_connects(host, port)))
            next_at = time() + (TRY_EVERY_SECONDS if time() < hurry_until else TRY_CALMLY_EVERY_SECONDS)
            while tries and (left := next_at - time()) > 0:
                done, tries = await asyncio.wait(tries, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if any(task.result() for task in done):
                    return
            await asyncio.sleep(max(0.0, next_at - time()))
    finally:
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)


async def _connects(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(TRY_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _ping(host: str, port: int, curve: Curve | None) -> bool:
    import zmq
    import zmq.asyncio

    context = zmq.asyncio.Context.instance()
    with context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.ipv6 = ":" in host
        if curve is not None:
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
            socket.curve_serverkey = curve.public.encode()
        socket.connect(f"tcp://{host}:{port}")
        await socket.send(b"kubernel")
        if not await socket.poll(int(ECHO_SECONDS * 1000)):
            return False
        return bool(await socket.recv() == b"kubernel")
