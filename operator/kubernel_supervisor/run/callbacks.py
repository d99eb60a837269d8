"""Callbacks: the supervisor's reports to the operator. ``docs/protocols.md``, "Callback"."""

import hashlib
import hmac
import json
import socket
import threading
import time

from kubernel_supervisor.start.console import log

from .kernel_state import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.05, 5.0
LONGEST_PAUSE_SECONDS = 60.0  # however long the operator asks for
OTHER_URL_SECONDS = 5.0  # of failures: then the next URL is tried
TAKEN = 204
PASSING = (404, 408, 429)  # the pod is not known yet, time-outs, too many: all other 4xx are final


class Target:
    """A callback URL, taken apart (``urllib.parse`` is a slow import).

    Raises:
        ValueError: it is no http URL.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
        if scheme != "http" or not authority:
            raise ValueError(f"callbackURL must be http://HOST:PORT/PATH, not {url!r}")
        self.host, self.port = (host if colon else authority).strip("[]"), int(port) if colon else 80
        self.authority, self.path = authority, slash + path or "/"


def usable_targets(urls: "list[str]") -> "list[Target]":
    """Where reports go, the first one first; the container's log tells of those that cannot be used."""
    targets = []
    for url in urls:
        try:
            targets.append(Target(url))
        except ValueError as error:
            log(f"no callbacks: {error}")
    return targets


class Answer:
    """What the operator answered.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
    """

    def __init__(self, text: str) -> None:
        head, *lines = text.split("\r\n")
        words = head.split()
        if len(words) < 2 or not words[0].startswith("HTTP/"):
            raise ValueError("no HTTP answer")
        self.status = int(words[1])
        pairs = [line.partition(":") for line in lines]
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}

    @property
    def pause_seconds(self) -> float:
        """For how long the operator does not want to hear of us: ``Retry-After`` of a 429."""
        if self.status != 429:
            return 0.0
        words = self.headers.get("retry-after", "")
        return min(float(words) if words.isdigit() else 1.0, LONGEST_PAUSE_SECONDS)


def post(target: Target, body: bytes, signature: str) -> Answer:
    """Sends one report and returns the answer. Raises OSError or ValueError."""
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nX-Kubernel-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((target.host, target.port), CONNECT_SECONDS) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(head.encode("ascii") + body)
        received = b""
        while b"\r\n\r\n" not in received and len(received) < 8192:
            piece = connection.recv(4096)
            if not piece:
                break
            received += piece
    return Answer(received.partition(b"\r\n\r\n")[0].decode("latin-1"))


class Reporter(threading.Thread):
    """Delivers the newest report until it is taken. There is one place and no queue: every report says all."""

    def __init__(self, targets: "list[Target]", token: str, envelope: "dict[str, Any]", on_idle: "Callable[[], None]"):
        super().__init__(daemon=True)
        self._targets, self._token = targets, token.encode()
        self._envelope, self._on_idle = envelope, on_idle
        self._newest = None  # type: Snapshot | None
        self._sequence = 0
        self._changed = threading.Condition()

    @property
    def is_waiting(self) -> bool:
        """Whether a report has yet to be delivered."""
        return self._newest is not None

    def send(self, snapshot: Snapshot) -> None:
        """Takes a report to deliver; one before it that waits is forgotten. It ends the pause after a failure."""
        if not self._targets:
            return
        with self._changed:
            self._newest, self._sequence = snapshot, self._sequence + 1
            self._changed.notify()

    def run(self) -> None:
        """Until the process ends."""
        delay, failing_since = FIRST_RETRY_SECONDS, time.monotonic()
        while True:
            with self._changed:
                while self._newest is None:
                    self._changed.wait()
                    failing_since = time.monotonic()
                snapshot, sequence = self._newest, self._sequence
            over, pause = self._deliver(snapshot, sequence)
            if pause:
                time.sleep(pause)  # not even news ends that one
            with self._changed:
                if over:
                    delay, failing_since = FIRST_RETRY_SECONDS, time.monotonic()
                    if self._newest is snapshot:
                        self._newest = None
                elif self._newest is snapshot:
                    self._changed.wait(delay)
                    delay = min(delay * 2, LAST_RETRY_SECONDS)
            if over:
                self._on_idle()
            elif time.monotonic() - failing_since > OTHER_URL_SECONDS:
                self._targets.append(self._targets.pop(0))
                failing_since = time.monotonic()

    def _deliver(self, snapshot: Snapshot, sequence: int) -> "tuple[bool, float]":
        """Whether this report is done with, and for how many seconds the operator wants to hear nothing."""
        report = {**self._envelope, "sequence": sequence, **snapshot.now()}
        body = json.dumps(report, separators=(",", ":")).encode()
        signature = self._mac(body)
        try:
            answer = post(self._targets[0], body, signature)
        except (OSError, ValueError):
            return False, 0.0
        if answer.status == TAKEN:
            proof = self._mac(b"kubernel-callback-v2\n" + signature.encode())
            return hmac.compare_digest(answer.headers.get("x-kubernel-signature", "").encode(), proof.encode()), 0.0
        final = 400 <= answer.status < 500 and answer.status not in PASSING
        if final:
            log(f"the operator refused a report with HTTP status {answer.status}")
        return final, answer.pause_seconds

    def _mac(self, message: bytes) -> str:
        return hmac.new(self._token, message, hashlib.sha256).hexdigest()
