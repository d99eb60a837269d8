"""Requests to the control port: who asks, and what for. ``docs/protocols.md``, "Control port"."""

import base64
import hashlib
import hmac
import json
import signal

from kubernel_supervisor.start.environment import problem_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


CONNECTION_KEYS = ("key", "curve_publickey", "curve_secretkey")


class RequestError(Exception):
    """A request that is not done; the message is the answer's ``error``."""


class Request:
    """One line that a client has sent, ``MAC ROLE REQUEST``, and the answer to it.

    Args:
        line: what was sent.
        nonce: what the client was greeted with.
        keys: role -> key.
    """

    def __init__(self, line: bytes, nonce: str, keys: "dict[bytes, bytes]") -> None:
        self._mac, _, rest = line.partition(b" ")
        role, _, self._text = rest.partition(b" ")
        self._key, self._nonce = keys.get(role) or b"", nonce.encode()

    @property
    def is_genuine(self) -> bool:
        """Whether the MAC is right for that role and nonce."""
        right = self._hmac(b"kubernel-control-v2", self._text)
        return bool(self._key) and hmac.compare_digest(self._mac, right)

    def parsed(self) -> "dict[str, Any]":
        """What is asked for.

        Raises:
            RequestError: the MAC is wrong, or it is no JSON object.
        """
        if not self.is_genuine:
            raise RequestError("authentication failed")
        try:
            request = json.loads(self._text.decode("utf-8"))
        except (ValueError, RecursionError):
            raise RequestError("the request is no JSON") from None
        if not isinstance(request, dict):
            raise RequestError("the request is no JSON object")
        return request

    def answered(self, answer: "dict[str, Any]") -> bytes:
        """The answer as a line, with a MAC that nobody else could make: ``-`` for who is not known."""
        text = json.dumps(answer, separators=(",", ":")).encode()
        mac = self._hmac(b"kubernel-answer-v2", self._text + b"\n" + text) if self.is_genuine else b"-"
        return mac + b" " + text + b"\n"

    def _hmac(self, purpose: bytes, text: bytes) -> bytes:
        message = b"\n".join((purpose, self._nonce, text))
        return hmac.new(self._key, message, hashlib.sha256).hexdigest().encode()


def wanted_signal(request: "dict[str, Any]") -> int:
    """The signal number of a request; raises RequestError."""
    number = request.get("signum")
    if type(number) is not int or not 0 < number < signal.NSIG:
        raise RequestError("signum must be a signal number")
    return number


def wanted_restart(request: "dict[str, Any]") -> "tuple[int, dict[str, str] | None]":
    """Generation and environment of a restart request; raises RequestError."""
    generation, env = request.get("generation"), request.get("env")
    if type(generation) is not int:
        raise RequestError("generation must be a number")
    if env is not None:
        if not (isinstance(env, dict) and all(isinstance(value, str) for value in env.values())):
            raise RequestError("env must be an object of strings")
        problem = problem_of(env)
        if problem:
            raise RequestError(f"env: {problem}")
    return generation, env


def unsealed(key: bytes, sealed: str) -> bytes:
    """What only the two who know ``key`` may read; that nobody has changed it is the business of the request's MAC.

    Raises:
        ValueError: it is no base64, or too short.
    """
    data = base64.b64decode(sealed.encode(), validate=True)
    return crossed(key, data[:16], data[16:])


def sealed(key: bytes, text: str, salt: bytes) -> str:
    """``text`` so that only who knows ``key`` can read it; ``salt`` are 16 bytes, never used with it before."""
    return base64.b64encode(salt + crossed(key, salt, text.encode())).decode()


def crossed(key: bytes, salt: bytes, data: bytes) -> bytes:
    """Hides ``data``, or shows it again."""
    stream = b"".join(
        hmac.new(key, b"kubernel-seal-v2\n" + salt + number.to_bytes(4, "big"), hashlib.sha256).digest()
        for number in range((len(data) + 31) // 32)
    )
    return bytes(one ^ other for one, other in zip(data, stream))  # noqa: B905 - Python 3.6


class Binding:
    """What makes a member of a pool the container of one kernel.

    Attributes:
        claim: uid of the KernelInstance.
        keys: of the connection, by the names of ``SECRET_NAMES``.
        argv: the kernel's command; empty: the kernelspec ``kernel_name``.
        encryption: ``Auto``, ``Curve`` or ``Disabled``.
        env: the user's variables.
        working_dir: "" for the image's own.
        generation: restartGeneration of the first process.
        idle_timeout_seconds: 0 for none.

    Raises:
        RequestError: something is missing, or of another type.
    """

    def __init__(self, request: "dict[str, Any]", token: bytes) -> None:
        try:
            told = json.loads(unsealed(token, request["sealed"]).decode("utf-8"))
            self.claim, self.working_dir = request["claim"], told["workingDir"]
            self.argv, self.kernel_name, self.encryption = told["argv"], told["kernelName"], told["encryption"]
            texts = [self.claim, self.working_dir, self.kernel_name, self.encryption, *self.argv]
            self.keys = {name: told["keys"].get(name) or "" for name in CONNECTION_KEYS}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise RequestError("claim and sealed must be what the protocol says") from None
        self.generation, env = wanted_restart(told)
        self.env = env or {}
        self.idle_timeout_seconds = wanted_idle_timeout(told)
        texts += self.keys.values()
        if not (self.claim and self.keys["key"] and all(isinstance(text, str) for text in texts)):
            raise RequestError("claim, keys, argv, kernelName, encryption and workingDir must be texts")


def wanted_idle_timeout(request: "dict[str, Any]") -> float:
    """Seconds of the idle timeout that a configure request wants, 0 for none; raises RequestError."""
    seconds = request.get("idleTimeoutSeconds")
    if seconds is None:
        return 0.0
    if type(seconds) not in (int, float) or not 0 < seconds < float("inf"):
        raise RequestError("idleTimeoutSeconds must be a number of seconds above 0, or null")
    return float(seconds)


def wanted_suspension(request: "dict[str, Any]") -> "bool | None":
    """Whether a configure request pauses the kernel; None: it says nothing of that; raises RequestError."""
    suspend = request.get("suspend")
    if suspend is not None and type(suspend) is not bool:
        raise RequestError("suspend must be true or false")
    return suspend
