"""Client of a supervisor's control port: ``docs/protocols.md``, "Control port".

Both sides of the cluster use it: the server with the connection key, the operator with the token.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["connection", "operator"]
# An environment may have 64 KiB, and JSON makes six bytes of two.
LINE_LIMIT = 256 * 1024


class ControlError(Exception):
    """The supervisor did not do what was asked; the message says why."""


class ControlUnreachableError(ControlError):
    """No supervisor answered at that address in time."""


def sealed(key: bytes, text: str, salt: bytes | None = None) -> str:
    """``text`` so that only who knows ``key`` can read it, as base64. The request around it has a MAC.

    Args:
        key: what the request is signed with.
        text: what is to be told.
        salt: 16 bytes that were never used with this key before; fresh ones by default.
    """
    salt = secrets.token_bytes(16) if salt is None else salt
    return base64.b64encode(salt + _crossed(key, salt, text.encode())).decode()


def unsealed(key: bytes, hidden: str) -> str:
    """What was sealed with that key.

    Raises:
        ValueError: it is no base64, or no text.
    """
    data = base64.b64decode(hidden.encode(), validate=True)
    return _crossed(key, data[:16], data[16:]).decode()


def _crossed(key: bytes, salt: bytes, data: bytes) -> bytes:
    """Hides ``data``, or shows it again."""
    stream = b"".join(
        hmac.new(key, b"kubernel-seal-v2\n" + salt + number.to_bytes(4, "big"), hashlib.sha256).digest()
        for number in range((len(data) + 31) // 32)
    )
    return bytes(one ^ other for one, other in zip(data, stream, strict=False))


@dataclass(frozen=True)
class Binding:
    """What a pool's pod is told of the kernel that it is for, beside its keys.

    Attributes:
        argv: the kernel's command with ``{connection_file}`` in it; empty: the kernelspec ``kernel_name``.
        encryption: Auto, Curve or Disabled.
        env: the user's variables.
        working_dir: "" for the image's own.
        generation: restartGeneration of the first process.
        idle_timeout_seconds: None for no timeout.
    """

    argv: Sequence[str] = ()
    kernel_name: str = ""
    encryption: str = "Disabled"
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    generation: int = 0
    idle_timeout_seconds: float | None = None


def bind_request(token: bytes, claim: str, keys: Mapping[str, str], binding: Binding) -> dict[str, Any]:
    """The request that makes a member of a pool the container of one kernel.

    Args:
        token: the pod's.
        claim: uid of the KernelInstance; the same one again is no error.
        keys: of the connection, by the names that they have in the Secret.
        binding: all else.
    """
    told = {
        "keys": dict(keys),
        "argv": list(binding.argv),
        "kernelName": binding.kernel_name,
        "encryption": binding.encryption,
        "env": dict(binding.env),
        "workingDir": binding.working_dir,
        "generation": binding.generation,
        "idleTimeoutSeconds": binding.idle_timeout_seconds,
    }
    return {"op": "bind", "claim": claim, "sealed": sealed(token, json.dumps(told, separators=(",", ":")))}


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
