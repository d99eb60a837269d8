"""Client of a supervisor's control port: ``docs/protocols.md``, "Control port".

Both sides of the cluster use it: the server with the connection key, the operator with the token.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from typing import Any, Literal

Role = Literal["connection", "operator"]
# An environment may have 64 KiB, and JSON makes six bytes of two.
LINE_LIMIT = 256 * 1024


class ControlError(Exception):
    """The supervisor did not do what was asked; the message says why."""


class ControlUnreachableError(ControlError):
    """No supervisor answered at that address in time."""


class Exchange:
    """One request and its answer, both signed.

    Args:
        key: the connection key (role "connection") or the token (role "operator").
        role: which of the two keys signs.
        nonce: what the supervisor greeted with.
        request: e.g. ``{"op": "signal", "signum": 2}``.
        own_nonce: goes into the request, so that an answer to an earlier one is none to this.
    """

    def __init__(self, key: bytes, role: Role, nonce: str, request: dict[str, Any], own_nonce: str = ""):
        self._key, self._role, self._nonce = key, role, nonce
        self._text = json.dumps({**request, "nonce": own_nonce or secrets.token_hex(16)}, separators=(",", ":"))

    def line(self) -> bytes:
        """The line to send."""
        return f"{self._mac('kubernel-control-v2', self._text)} {self._role} {self._text}\n".encode()

    def answer(self, line: bytes) -> dict[str, Any]:
        """What the supervisor answered.

        Raises:
            ControlError: the supervisor refused.
            ValueError: this is no answer of a supervisor that knows the key.
        """
        mac, _, text = line.decode().rstrip("\n").partition(" ")
        answer = _parsed(text)
        expected = self._mac("kubernel-answer-v2", f"{self._text}\n{text}")
        if mac != "-" and not hmac.compare_digest(mac.encode(), expected.encode()):
            raise ValueError("the answer's signature is wrong")
        if mac == "-" or not answer.get("ok"):  # who does not know the key can refuse, and nothing else
            raise ControlError(str(answer.get("error")))
        return answer

    def _mac(self, purpose: str, text: str) -> str:
        message = f"{purpose}\n{self._nonce}\n{text}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


async def control(
    ip: str, port: int, request: dict[str, Any], *, key: bytes, role: Role, timeout_seconds: float = 2.0
) -> dict[str, Any]:
    """Sends one request to a supervisor and returns its answer.

    Args:
        ip: address of the pod or of its Service.
        port: the control port, ``status.connection.controlPort``.
        request: e.g. ``{"op": "signal", "signum": 2}``.
        key: the connection key (role "connection") or the token (role "operator").
        role: which of the two keys signs.
        timeout_seconds: for the whole exchange.

    Raises:
        ControlUnreachableError: nobody answered in time.
        ControlError: the supervisor refused.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(ip, port, limit=LINE_LIMIT)
            try:
                exchange = Exchange(key, role, _parsed(await reader.readline())["nonce"], request)
                writer.write(exchange.line())
                await writer.drain()
                return exchange.answer(await reader.readline())
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, KeyError, RecursionError) as error:
        reason = str(error) or type(error).__name__  # a TimeoutError has no words
        raise ControlUnreachableError(f"no supervisor answered at {ip}:{port} ({reason})") from error
    except ControlError as error:
        raise ControlError(f"the supervisor at {ip}:{port} refused {request.get('op')!r}: {error}") from None


def _parsed(text: str | bytes) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("what it sent is no JSON object")  # noqa: TRY004 - a wrong text, not a wrong argument
    return found
