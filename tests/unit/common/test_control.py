"""The client of a supervisor's control port, against servers that answer one line."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kubernel_wire.control import ControlError, ControlUnreachableError, control, signed_request

NONCE = "00112233445566778899aabbccddeeff"
GREETING = json.dumps({"nonce": NONCE, "version": 1}).encode() + b"\n"


@asynccontextmanager
async def server(*lines: bytes, received: list[bytes] | None = None) -> AsyncIterator[int]:
    """Listens on loopback, greets with the first line, answers a request with the second, hangs up; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line)
            await writer.drain()
            if line == GREETING:
                request = await reader.readline()
                (received if received is not None else []).append(request)
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def test_signed_request_is_one_line_of_mac_role_and_request() -> None:
    text = '{"op":"signal","signum":2}'
    mac = hmac.new(b"key", f"kubernel-control-v1\n{NONCE}\n{text}".encode(), hashlib.sha256).hexdigest()
    line = signed_request(b"key", "connection", NONCE, {"op": "signal", "signum": 2})
    assert line == f"{mac} connection {text}\n".encode()


def test_the_mac_is_this_one() -> None:
    """From `printf 'kubernel-control-v1\\n00\\n{"op":"stop"}' | openssl dgst -sha256 -hmac 0a1b`."""
    line = signed_request(b"0a1b", "operator", "00", {"op": "stop"})
    mac = b"5e947d5365f69ccea7886103f802760e622e77b0b4c3b6d638a65766c593fac8"
    assert line == mac + b' operator {"op":"stop"}\n'


@pytest.mark.parametrize(
    ("key", "nonce", "request_"),
    [
        pytest.param(b"other", NONCE, {"op": "stop"}, id="key"),
        pytest.param(b"key", "11" + NONCE[2:], {"op": "stop"}, id="nonce"),
        pytest.param(b"key", NONCE, {"op": "status"}, id="request"),
    ],
)
def test_the_mac_depends_on(key: bytes, nonce: str, request_: dict[str, str]) -> None:
    def mac(line: bytes) -> bytes:
        return line.split()[0]

    reference = signed_request(b"key", "operator", NONCE, {"op": "stop"})
    assert mac(signed_request(key, "operator", nonce, request_)) != mac(reference)


def test_a_newline_in_the_request_stays_inside_the_line() -> None:
    line = signed_request(b"key", "connection", NONCE, {"op": "restart", "env": {"A": "one\ntwo"}})
    assert line.count(b"\n") == 1


async def test_control_answers_the_nonce_and_returns_the_answer() -> None:
    received: list[bytes] = []
    async with server(GREETING, b'{"ok": true, "delivered": true}\n', received=received) as port:
        answer = await control("127.0.0.1", port, {"op": "signal", "signum": 2}, key=b"key", role="connection")
    assert answer == {"ok": True, "delivered": True}
    assert received == [signed_request(b"key", "connection", NONCE, {"op": "signal", "signum": 2})]


async def test_a_refusal_is_an_error_with_the_supervisors_words() -> None:
    async with server(GREETING, b'{"ok": false, "error": "authentication failed"}\n') as port:
        with pytest.raises(ControlError, match=f"127.0.0.1:{port} refused 'stop': authentication failed") as caught:
            await control("127.0.0.1", port, {"op": "stop"}, key=b"wrong", role="operator")
    assert not isinstance(caught.value, ControlUnreachableError)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="hangs up at once"),
        pytest.param((GREETING,), id="hangs up after the request"),
        pytest.param((b"SSH-2.0-OpenSSH_9.2\n",), id="speaks something else"),
        pytest.param((b"{}\n",), id="no nonce"),
        pytest.param((b"[]\n",), id="no object"),
        pytest.param((GREETING, b"true\n"), id="no object in the answer"),
        pytest.param((b'{"nonce": "' + b"0" * 70_000 + b'"}\n',), id="line too long"),
    ],
)
async def test_whoever_does_not_speak_the_protocol_is_no_supervisor(lines: tuple[bytes, ...]) -> None:
    async with server(*lines) as port:
        with pytest.raises(ControlUnreachableError, match=f"no supervisor answered at 127.0.0.1:{port}"):
            await control("127.0.0.1", port, {"op": "stop"}, key=b"key", role="operator")


async def test_nobody_listens() -> None:
    async with server() as port:
        pass
    with pytest.raises(ControlUnreachableError, match=f"no supervisor answered at 127.0.0.1:{port}"):
        await control("127.0.0.1", port, {"op": "stop"}, key=b"key", role="operator")


async def test_whoever_says_nothing_is_left_alone_in_the_end() -> None:
    silent: list[asyncio.StreamWriter] = []
    listening = await asyncio.start_server(lambda _, writer: silent.append(writer), "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(ControlUnreachableError, match=r"no supervisor answered at .* \(TimeoutError\)"):
            await control("127.0.0.1", port, {"op": "stop"}, key=b"key", role="operator", timeout_seconds=0.05)
        for writer in silent:
            writer.close()
