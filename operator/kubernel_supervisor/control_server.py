"""The control port: ``docs/protocols.md``, "Control port"."""

import binascii
import hashlib
import hmac
import json
import os
import socket

from .loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LINE_LIMIT, LINE_SECONDS, MAX_CONNECTIONS = 256 * 1024, 5.0, 64


class RequestError(Exception):
    """A request that is not done; the message is the answer's ``error``."""


def authenticated(line: bytes, nonce: str, keys: "dict[bytes, bytes]") -> "dict[str, Any]":
    """The request in ``MAC ROLE REQUEST``; raises RequestError when the MAC is not right for that role and nonce."""
    mac, _, rest = line.partition(b" ")
    role, _, text = rest.partition(b" ")
    key = keys.get(role)
    message = b"kubernel-control-v1\n" + nonce.encode() + b"\n" + text
    if not key or not hmac.compare_digest(mac, hmac.new(key, message, hashlib.sha256).hexdigest().encode()):
        raise RequestError("authentication failed")
    try:
        request = json.loads(text.decode("utf-8"))
    except ValueError:
        raise RequestError("the request is no JSON") from None
    if not isinstance(request, dict):
        raise RequestError("the request is no JSON object")
    return request


class Conversation:
    """One connection to the control port: greets, takes one line, answers, and waits for the peer to leave.

    Nothing here blocks, so a slow peer delays nobody.
    """

    def __init__(self, connection: socket.socket, server: "ControlServer") -> None:
        self.connection, self._server = connection, server
        self._nonce = binascii.hexlify(os.urandom(16)).decode()
        self._line = b""
        self._answered = False
        self._send({"nonce": self._nonce, "version": 1})

    def _send(self, answer: "dict[str, Any]") -> None:
        try:
            self.connection.send(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        except OSError:
            pass

    def readable(self) -> None:
        """Takes what has come."""
        try:
            piece = self.connection.recv(LINE_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._server.close(self)
        elif not self._answered:  # what follows the line is read and dropped: closing over it would reset the answer
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        self._line += piece
        line, newline, _ = self._line.partition(b"\n")
        if newline and len(line) < LINE_LIMIT:
            self._answer(self._server.answer(line, self._nonce))
        elif len(self._line) >= LINE_LIMIT:
            self._answer({"ok": False, "error": "a line may have at most 256 KiB"})

    def _answer(self, answer: "dict[str, Any]") -> None:
        self._answered, self._line = True, b""
        self._send(answer)
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class ControlServer:
    """Listens on the control port and hands authenticated requests to ``handle``."""

    def __init__(
        self, loop: Loop, port: int, keys: "dict[bytes, bytes]", handle: "Callable[[dict[str, Any]], dict[str, Any]]"
    ) -> None:
        self._loop, self._keys, self._handle = loop, keys, handle
        self._open = []  # type: list[Conversation]
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("0.0.0.0", port))
        self._listener.listen(128)
        self._listener.setblocking(False)
        loop.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        if len(self._open) >= MAX_CONNECTIONS:  # the oldest goes: an honest one needs a millisecond, a hoarder waits
            self.close(self._open[0])
        conversation = Conversation(connection, self)
        self._open.append(conversation)
        self._loop.watch(connection.fileno(), conversation.readable)
        self._loop.later(conversation, LINE_SECONDS, lambda: self.close(conversation))

    def close(self, conversation: Conversation) -> None:
        """Ends a conversation."""
        if conversation in self._open:
            self._open.remove(conversation)
            self._loop.cancel(conversation)
            self._loop.forget(conversation.connection.fileno())
            conversation.connection.close()

    def answer(self, line: bytes, nonce: str) -> "dict[str, Any]":
        """The answer to one request line."""
        try:
            return {"ok": True, **self._handle(authenticated(line, nonce, self._keys))}
        except RequestError as refusal:
            return {"ok": False, "error": str(refusal)}
