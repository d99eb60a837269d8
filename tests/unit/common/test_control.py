"""The client of a supervisor's control port, against servers that answer one line."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kubernel_wire.control import ControlError, ControlUnreachableError, Exchange, Role, control

NONCE = "00112233445566778899aabbccddeeff"
GREETING = json.dumps({"nonce": NONCE, "version": 2}).encode() + b"\n"


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


@asynccontextmanager
async def supervisor(key: bytes, answer: str) -> AsyncIterator[int]:
    """Listens on loopback and gives that answer to any request, signed with ``key``; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        request = (await reader.readline()).decode().rstrip("\n").split(" ", 2)[2]
        message = f"kubernel-answer-v2\n{NONCE}\n{request}\n{answer}"
        writer.write(f"{hmac.new(key, message.encode(), hashlib.sha256).hexdigest()} {answer}\n".encode())
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def exchange(
    request: dict[str, Any], *, key: bytes = b"key", role: Role = "connection", nonce: str = NONCE
) -> Exchange:
    return Exchange(key, role, nonce, request, own_nonce="ff")


def signed(answer: str, sent: Exchange, *, key: bytes = b"key", nonce: str = NONCE) -> bytes:
    """The line with which a supervisor answers, computed from docs/protocols.md."""
    request = sent.line().decode().rstrip("\n").split(" ", 2)[2]
    mac = hmac.new(key, f"kubernel-answer-v2\n{nonce}\n{request}\n{answer}".encode(), hashlib.sha256).hexdigest()
    return f"{mac} {answer}\n".encode()


def test_a_request_is_one_line_of_mac_role_and_request() -> None:
    text = '{"op":"signal","signum":2,"nonce":"ff"}'
    mac = hmac.new(b"key", f"kubernel-control-v2\n{NONCE}\n{text}".encode(), hashlib.sha256).hexdigest()
    assert exchange({"op": "signal", "signum": 2}).line() == f"{mac} connection {text}\n".encode()


def test_the_mac_is_this_one() -> None:
    """From `printf 'kubernel-control-v2\\n00\\n{"op":"stop","nonce":"ff"}' | openssl dgst -sha256 -hmac 0a1b`."""
    line = exchange({"op": "stop"}, key=b"0a1b", role="operator", nonce="00").line()
    mac = b"12e454670953efed9292ece7f59f428cf4179c58fd39db960e0d9df964b41779"
    assert line == mac + b' operator {"op":"stop","nonce":"ff"}\n'


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(exchange({"op": "stop"}, key=b"other"), id="key"),
        pytest.param(exchange({"op": "stop"}, nonce="11" + NONCE[2:]), id="nonce"),
        pytest.param(exchange({"op": "status"}), id="request"),
        pytest.param(Exchange(b"key", "connection", NONCE, {"op": "stop"}), id="a nonce of its own"),
    ],
)
def test_the_mac_depends_on(other: Exchange) -> None:
    assert other.line().split()[0] != exchange({"op": "stop"}).line().split()[0]


def test_a_newline_in_the_request_stays_inside_the_line() -> None:
    assert exchange({"op": "restart", "env": {"A": "one\ntwo"}}).line().count(b"\n") == 1


def test_a_right_answer() -> None:
    sent = exchange({"op": "status"})
    assert sent.answer(signed('{"ok":true,"state":"running"}', sent)) == {"ok": True, "state": "running"}


def test_a_refusal() -> None:
    sent = exchange({"op": "dance"})
    with pytest.raises(ControlError, match=r"^unknown op 'dance'$"):
        sent.answer(signed('{"ok":false,"error":"unknown op \'dance\'"}', sent))


def test_who_does_not_know_the_key_can_refuse_and_nothing_else() -> None:
    with pytest.raises(ControlError, match=r"^authentication failed$"):
        exchange({"op": "status"}).answer(b'- {"ok":false,"error":"authentication failed"}\n')
    with pytest.raises(ControlError):
        exchange({"op": "status"}).answer(b'- {"ok":true,"state":"running"}\n')


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(signed('{"ok":true}', exchange({"op": "status"}), key=b"other"), id="another key"),
        pytest.param(signed('{"ok":true}', exchange({"op": "status"}), nonce="00"), id="another nonce"),
        pytest.param(signed('{"ok":true}', exchange({"op": "stop"})), id="the answer to another request"),
        pytest.param(
            signed('{"ok":true}', Exchange(b"key", "connection", NONCE, {"op": "status"}, own_nonce="ee")),
            id="the answer to the same request, earlier",
        ),
        pytest.param(b'{"ok":true}\n', id="not signed"),
        pytest.param("é {}\n".encode(), id="no ASCII"),
        pytest.param(b"\n", id="nothing"),
    ],
)
def test_an_answer_of_somebody_else(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"signature is wrong|Expecting value"):
        exchange({"op": "status"}).answer(line)


async def test_control_answers_the_nonce_and_returns_the_answer() -> None:
    async with supervisor(b"key", '{"ok":true,"delivered":true}') as port:
        answer = await control("127.0.0.1", port, {"op": "signal", "signum": 2}, key=b"key", role="connection")
    assert answer == {"ok": True, "delivered": True}


async def test_an_answer_of_somebody_else_is_none() -> None:
    async with supervisor(b"other", '{"ok":true,"delivered":true}') as port:
        with pytest.raises(ControlUnreachableError, match="the answer's signature is wrong"):
            await control("127.0.0.1", port, {"op": "signal", "signum": 2}, key=b"key", role="connection")


async def test_a_refusal_is_an_error_with_the_supervisors_words() -> None:
    async with server(GREETING, b'- {"ok": false, "error": "authentication failed"}\n') as port:
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
        pytest.param((GREETING, b"x true\n"), id="no object in the answer"),
        pytest.param((GREETING, b"x " + b"[" * 8_000 + b"\n"), id="an answer too deep"),
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
