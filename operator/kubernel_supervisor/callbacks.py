"""Callbacks: the supervisor's reports to the operator. ``docs/protocols.md``, "Callback"."""

import hashlib
import hmac
import json
import socket
import threading

from .console import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.05, 5.0


def split_url(url: str) -> "tuple[str, int, str]":
    """Host, port and path of an http URL (``urllib.parse`` is a slow import)."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if scheme != "http" or not authority:
        raise ValueError(f"callbackURL must be http://HOST:PORT/PATH, not {url!r}")
    return (host if colon else authority).strip("[]"), int(port) if colon else 80, slash + path or "/"


def post(target: "tuple[str, int, str]", body: bytes, signature: str) -> int:
    """Sends one report and returns the HTTP status. Raises OSError or ValueError."""
    host, port, path = target
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"X-Kubernel-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(head.encode("ascii") + body)
        with connection.makefile("rb") as answer:
            words = answer.readline(1024).split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError("no HTTP answer")
    return int(words[1])


def callback_target(url: "str | None") -> "tuple[str, int, str] | None":
    """Where reports go; None when there is nobody to tell."""
    try:
        return split_url(url) if url else None
    except ValueError as error:
        log(f"no callbacks: {error}")
        return None


class Reporter(threading.Thread):
    """Delivers reports in order, each until it is taken. Without a target it takes none."""

    def __init__(self, target: "tuple[str, int, str] | None", token: str, on_idle: "Callable[[], None]") -> None:
        super().__init__(daemon=True)
        self._target, self._token, self._on_idle = target, token.encode(), on_idle
        self._queue = []  # type: list[bytes]
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many reports wait to be delivered."""
        with self._changed:
            return len(self._queue)

    def send(self, report: "dict[str, Any]") -> None:
        """Queues a report; a new one also ends the pause after a failed attempt."""
        if self._target is None:
            return
        with self._changed:
            self._queue.append(json.dumps(report, separators=(",", ":")).encode())
            self._changed.notify()

    def run(self) -> None:
        """Until the process ends."""
        delay = FIRST_RETRY_SECONDS
        while self._target is not None:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                body = self._queue[0]
            delivered = self._deliver(self._target, body)
            with self._changed:
                if delivered:
                    self._queue.pop(0)
                    delay = FIRST_RETRY_SECONDS
                else:
                    self._changed.wait(delay)
                    delay = min(delay * 2, LAST_RETRY_SECONDS)
            if delivered:
                self._on_idle()

    def _deliver(self, target: "tuple[str, int, str]", body: bytes) -> bool:
        signature = hmac.new(self._token, body, hashlib.sha256).hexdigest()
        try:
            status = post(target, body, signature)
        except (OSError, ValueError):
            return False
        if status in (400, 403):
            log(f"the operator refused a report with HTTP status {status}")
        return status in (204, 400, 403)
