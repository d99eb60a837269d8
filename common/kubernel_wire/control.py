"""Client of a supervisor's control port: ``docs/protocols.md``, "Control port".

Both sides of the cluster use it: the server with the connection key, the operator with the token.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any, Literal

Role = Literal["connection", "operator"]
# An environment may have 64 KiB, and JSON makes six bytes of two.
LINE_LIMIT = 256 * 1024


class ControlError(Exception):
    """The supervisor did not do what was asked; the message says why."""


class ControlUnreachableError(ControlError):
    """No supervisor answered at that address in time."""


def signed_request(key: bytes, role: Role, nonce: str, request: dict[str, Any]) -> bytes:
    """The one line that answers a nonce."""
    text = json.dumps(request, separators=(",", ":"))
    mac = hmac.new(key, f"kubernel-control-v1\n{nonce}\n{text}".encode(), hashlib.sha256).hexdigest()
    return f"{mac} {role} {text}\n".encode()


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
                nonce = (await _read_object(reader))["nonce"]
                writer.write(signed_request(key, role, nonce, request))
                await writer.drain()
                answer = await _read_object(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, KeyError) as error:
        reason = str(error) or type(error).__name__  # a TimeoutError has no words
        raise ControlUnreachableError(f"no supervisor answered at {ip}:{port} ({reason})") from error
    if not answer.get("ok"):
        raise ControlError(f"the supervisor at {ip}:{port} refused {request.get('op')!r}: {answer.get('error')}")
    return answer


async def _read_object(reader: asyncio.StreamReader) -> dict[str, Any]:
    found = json.loads(await reader.readline())
    if not isinstance(found, dict):
        raise ValueError("what it sent is no JSON object")  # noqa: TRY004 - a wrong text, not a wrong argument
    return found
