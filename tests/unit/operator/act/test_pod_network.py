"""Whether somebody is there, as far as a connection tells."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kubernel_api.constants import CONTROL_PORT
from kubernel_operator.act.pod_network import PodNetwork

Answer = Callable[[asyncio.StreamWriter], None]


def greets(writer: asyncio.StreamWriter) -> None:
    writer.write(b'{"nonce": "n"}\n')


def closes(writer: asyncio.StreamWriter) -> None:
    writer.close()


def resets(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def is_busy(_: asyncio.StreamWriter) -> None:
    """Its only thread has no turn yet."""


@pytest.fixture
def ip() -> str:
    """An address of this machine that no other test listens at."""
    return f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"


@pytest.fixture
async def listen(ip: str) -> AsyncIterator[Callable[[Answer], Awaitable[None]]]:
    """Lets somebody listen at the control port."""
    servers: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def start(answer: Answer) -> None:
        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            answer(writer)

        servers.append(await asyncio.start_server(connected, ip, CONTROL_PORT))

    yield start
    for writer in writers:
        writer.close()
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("answer", "supervised"),
    [
        pytest.param(greets, True, id="a supervisor"),
        pytest.param(is_busy, True, id="one that has had no turn"),
        pytest.param(closes, False, id="a mesh's proxy, for nobody"),
        pytest.param(resets, False, id="another one"),
    ],
)
async def test_is_supervised(
    ip: str, listen: Callable[[Answer], Awaitable[None]], answer: Answer, supervised: bool
) -> None:
    """linkerd and istio accept for their pods; an image without Python would have been waited for till the end."""
    await listen(answer)
    assert await PodNetwork().is_supervised(ip) == supervised


async def test_nobody_is_there(ip: str) -> None:
    assert not await PodNetwork().is_supervised(ip)
