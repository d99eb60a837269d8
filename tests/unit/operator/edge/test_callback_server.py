"""The door at which supervisors knock: on loopback, with sockets that behave and others that do not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from kubernel_operator.edge import callback_server
from kubernel_operator.edge.callback_server import (
    BODY_MAX_BYTES,
    CONNECTIONS_OF_PEER_MAX,
    HEAD_MAX_BYTES,
    CallbackServer,
)
from kubernel_operator.verdict import Verdict
from kubernel_wire.callback import Callback, proof, token

KEY = b"operator key"
BODY = {
    "secret": "ns/k1-0123abcd45",
    "pod": "k1-1",
    "boot": "b1",
    "sequence": 1,
    "generation": 0,
    "age": 0.5,
    "state": "running",
}
GENUINE = json.dumps(BODY).encode()


class Door:
    """A server that serves, and who knocks.

    Attributes:
        taken: genuine callbacks.
        verdict: what becomes of them.
    """

    def __init__(self) -> None:
        self.taken: list[Callback] = []
        self.verdict = Verdict.TAKEN
        self.server = CallbackServer(KEY, self._take)
        self.port = 0

    def _take(self, callback: Callback) -> Verdict:
        self.taken.append(callback)
        return self.verdict

    async def post(
        self, body: bytes, headers: dict[str, str] | None = None, *, method: str = "POST", path: str = ""
    ) -> Any:
        """Status, headers and text, as an HTTP client sees them."""
        url = f"http://127.0.0.1:{self.port}{path or '/v1/callback'}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=body, headers=signed(body) if headers is None else headers) as answer,
        ):
            return answer.status, answer.headers, await answer.text()

    async def until(self, connections: int) -> None:
        """As soon as so many are open."""
        async with asyncio.timeout(10):
            while self.server.connections() != connections:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)

    async def connect(self, sent: bytes = b"", *, peer: str = "127.0.0.1") -> Knock:
        """A connection from that address, with something said."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(peer, 0))
        writer.write(sent)
        return Knock(reader, writer)


class Knock:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> bytes:
        """All that the server says until it closes."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""
        finally:
            self.writer.close()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """A server on loopback."""
    door = Door()
    async with door.server.serving(0, "127.0.0.1") as door.port:
        yield door


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server waits for nobody."""
    monkeypatch.setattr(callback_server, "EXCHANGE_SECONDS", 0.3)


def signed(body: bytes) -> dict[str, str]:
    key = token(KEY, "ns/k1-0123abcd45").encode()
    return {"X-Kubernel-Signature": hmac.new(key, body, hashlib.sha256).hexdigest()}


def request(body: bytes = GENUINE, *lines: str, first: str = "POST /v1/callback HTTP/1.1") -> bytes:
    """Bytes of a request, with more lines in its header."""
    head = [first, *lines, *(f"{k}: {v}" for k, v in signed(body).items()), f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


@pytest.mark.parametrize(
    ("body", "headers", "verdict", "status", "taken"),
    [
        pytest.param(GENUINE, None, Verdict.TAKEN, 204, True, id="taken"),
        pytest.param(GENUINE, None, Verdict.UNKNOWN, 404, True, id="unknown pod: come again"),
        pytest.param(GENUINE, None, Verdict.FOREIGN, 403, True, id="the pod of somebody else"),
        pytest.param(GENUINE, None, Verdict.TOO_MANY, 429, True, id="says a lot"),
        pytest.param(GENUINE, {}, Verdict.TAKEN, 403, False, id="no signature"),
        pytest.param(GENUINE, {"X-Kubernel-Signature": "0" * 64}, Verdict.TAKEN, 403, False, id="wrong signature"),
        pytest.param(b"{}", None, Verdict.TAKEN, 400, False, id="malformed"),
        pytest.param(b"x" * (BODY_MAX_BYTES + 1), None, Verdict.TAKEN, 413, False, id="too large"),
        pytest.param(b"x" * (1 << 20), None, Verdict.TAKEN, 413, False, id="much too large: the answer arrives"),
        pytest.param(GENUINE, {"X": "x" * HEAD_MAX_BYTES}, Verdict.TAKEN, 431, False, id="long header"),
    ],
)
async def test_answers(
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
    headers: dict[str, str] | None,
    verdict: Verdict,
    status: int,
    taken: bool,
) -> None:
    monkeypatch.setattr(callback_server, "TOO_MANY_SECONDS", 0.01)
    door.verdict = verdict
    said = await door.post(body, headers)
    assert said[0] == status
    assert said[1].get("Retry-After") == ("1" if status == 429 else None)
    shown = proof(token(KEY, "ns/k1-0123abcd45"), signed(body)["X-Kubernel-Signature"]) if taken else None
    assert said[1].get("X-Kubernel-Signature") == shown
    assert [c.pod for c in door.taken] == (["k1-1"] if taken else [])


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/callback", 405), ("POST", "/", 404), ("POST", "/metrics", 404)]
)
async def test_nothing_else_is_served(door: Door, method: str, path: str, status: int) -> None:
    assert (await door.post(b"", {}, method=method, path=path))[0] == status
    assert door.taken == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(request(), b"204", id="as a supervisor sends it"),
        pytest.param(request(GENUINE, "x-more: 1"), b"204", id="as a proxy changes it"),
        pytest.param(request(first="POST /v1/callback HTTP/1.0"), b"204", id="HTTP/1.0"),
        pytest.param(request(first="POST /v1/callback HTTP/2"), b"400", id="another protocol"),
        pytest.param(b"\x16\x03\x01\x02\r\n\r\n", b"400", id="TLS"),
        pytest.param(b"POST /v1/callback HTTP/1.1\r\n\r\n", b"411", id="no length"),
        pytest.param(
            b"POST /v1/callback HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411", id="chunked"
        ),
        pytest.param(b"POST /v1/callback HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411", id="negative length"),
        pytest.param(
            b"POST /v1/callback HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413", id="long length"
        ),
    ],
)
async def test_bytes(door: Door, sent: bytes, status: bytes) -> None:
    knock = await door.connect(sent)
    knock.writer.write_eof()
    assert (await knock.answer()).split(b" ")[1] == status


async def test_a_request_may_come_in_pieces(door: Door) -> None:
    knock = await door.connect()
    for byte in request():
        knock.writer.write(bytes([byte]))
        await asyncio.sleep(0)
    knock.writer.write_eof()
    assert (await knock.answer()).startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="silent"),
        pytest.param(b"POST /v1/ca", id="half a header"),
        pytest.param(request()[:-1], id="all but a byte"),
        pytest.param(request(), id="answered, and stays"),
    ],
)
@pytest.mark.usefixtures("soon")
async def test_nobody_stays(door: Door, sent: bytes) -> None:
    knock = await door.connect(sent)
    await knock.answer()  # returns when the server has closed
    await door.until(0)


async def test_a_peer_has_few_connections_and_holds_up_no_other(door: Door) -> None:
    silent = [await door.connect() for _ in range(CONNECTIONS_OF_PEER_MAX)]
    refused = await door.connect(request())
    assert await refused.answer() == b""
    other = await door.connect(request(), peer="127.0.0.2")
    other.writer.write_eof()
    assert (await other.answer()).startswith(b"HTTP/1.1 204")
    for knock in silent:
        knock.writer.close()


async def test_the_oldest_connection_makes_room_when_there_are_too_many(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_server, "CONNECTIONS_MAX", 40)
    silent = [await door.connect(peer=f"127.0.1.{number % 4 + 1}") for number in range(80)]
    knock = await door.connect(request())
    knock.writer.write_eof()
    assert (await knock.answer()).startswith(b"HTTP/1.1 204")
    assert door.server.connections() <= 40
    assert await silent[0].answer() == b""
    for each in silent:
        each.writer.close()


async def test_4000_silent_connections_change_nothing_for_others(door: Door) -> None:
    silent = [await door.connect(b"POST" if number % 2 else b"", peer="127.0.0.3") for number in range(4000)]
    assert door.server.connections() <= CONNECTIONS_OF_PEER_MAX
    assert (await door.post(GENUINE))[0] == 204
    for knock in silent:
        knock.writer.transport.abort()


async def test_a_line_a_minute_about_each_peer(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        await door.post(GENUINE, {"X-Kubernel-Signature": "0" * 64})
    knock = await door.connect(request(GENUINE).replace(b"k1-1", b"k1-9"), peer="127.0.0.2")
    knock.writer.write_eof()
    await knock.answer()
    told = Counter(record.getMessage().split()[0] for record in caplog.records if record.levelno == logging.WARNING)
    assert told == {"127.0.0.1": 1, "127.0.0.2": 1}


async def test_what_is_open_at_the_end_is_closed() -> None:
    door = Door()
    async with door.server.serving(0, "127.0.0.1") as door.port:
        knock = await door.connect()
        await door.until(1)
    assert await knock.answer() == b""


async def test_a_port_that_somebody_else_has(door: Door) -> None:
    with pytest.raises(OSError, match="address already in use"):
        async with CallbackServer(KEY, door.server._take).serving(door.port, "127.0.0.1"):
            pass
