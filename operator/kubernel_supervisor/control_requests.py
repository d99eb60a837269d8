"""Requests to the control port: who asks, and what for. ``docs/protocols.md``, "Control port"."""

import hashlib
import hmac
import json
import signal

from .environment import problem_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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


def wanted_idle_timeout(request: "dict[str, Any]") -> float:
    """Seconds of the idle timeout that a configure request wants, 0 for none; raises RequestError."""
    seconds = request.get("idleTimeoutSeconds")
    if seconds is None:
        return 0.0
    if type(seconds) not in (int, float) or not 0 < seconds < float("inf"):
        raise RequestError("idleTimeoutSeconds must be a number of seconds above 0, or null")
    return float(seconds)
