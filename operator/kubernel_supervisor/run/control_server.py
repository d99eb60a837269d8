"""The control port: ``docs/protocols.md``, "Control port"."""

import binascii
import json
import os
import socket

from .control_requests import Request, RequestError
from .loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LINE_LIMIT = 256 * 1024  # bytes: an environment may have 64 KiB, and JSON makes six bytes of two
ANSWER_LIMIT = 64 * 1024  # bytes: the last output is 16 KiB of base64
LINE_SECONDS, MAX_CONNECTIONS = 5.0, 64
HOLD_SECONDS = 1.0  # an answer waits for another state so long; clients do not wait for more than 2 s


class Conversation:
    """One connection to the control port: greets, takes one line, answers, and waits for the peer to leave.

    Nothing here blocks, so a slow peer delays nobody.
    """

    def __init__(self, connection: socket.socket, server: "ControlServer") -> None:
        self.connection, self._server = connection, server
        self.nonce = binascii.hexlify(os.urandom(16)).decode()
        self._line = b""
        self._asked = False
        self._send(json.dumps({"nonce": self.nonce, "version": 2}, separators=(",", ":")).encode() + b"\n")

    def _send(self, line: bytes) -> None:
        try:
            self.connection.send(line)
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
        elif not self._asked:  # what follows the line is read and dropped: closing over it would reset the answer
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        self._line += piece
        line, newline, _ = self._line.partition(b"\n")
        self._asked = bool(newline) or len(self._line) >= LINE_LIMIT
        if newline and len(line) < LINE_LIMIT:
            self._server.take(self, line)
        elif self._asked:
            self.answer(b'- {"ok":false,"error":"a line may have at most 256 KiB"}\n')

    def answer(self, line: bytes) -> None:
        """Answers, once."""
        self._line = b""
        self._send(line)
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class ControlServer:
    """Accepts connections to the control port and hands authenticated requests to ``handle``."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        keys: "dict[bytes, bytes]",
        handle: "Callable[[dict[str, Any]], dict[str, Any]]",
    ) -> None:
        self._loop, self._keys, self._handle = loop, keys, handle
        self._open = []  # type: list[Conversation]
        self._held = {}  # type: dict[Conversation, tuple[Request, str]]  # and the state that is to be over
        self._listener = listener
        self._listener.setblocking(False)
        loop.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ANSWER_LIMIT)  # an answer is sent at once or not
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
            self._held.pop(conversation, None)
            self._loop.forget(conversation.connection.fileno())
            conversation.connection.close()

    def take(self, conversation: Conversation, line: bytes) -> None:
        """Answers a request: at once, or when the kernel's state is another one than its ``while``."""
        request = Request(line, conversation.nonce, self._keys)
        asked, answer = self._do(request)
        if "while" in asked and asked["while"] == answer.get("state"):
            self._held[conversation] = request, answer["state"]
            self._loop.later(request, HOLD_SECONDS, lambda: self._settle(conversation))
        else:
            conversation.answer(request.answered(answer))

    def _do(self, request: Request) -> "tuple[dict[str, Any], dict[str, Any]]":
        """What is asked for, and the answer."""
        asked = {}  # type: dict[str, Any]
        try:
            asked = request.parsed()
            return asked, {"ok": True, **self._handle(asked)}
        except RequestError as refusal:
            return asked, {"ok": False, "error": str(refusal)}

    def state_is(self, state: str) -> None:
        """Answers those who wait for another one than they know."""
        for conversation, (_, known) in list(self._held.items()):
            if state != known:
                self._settle(conversation)

    def _settle(self, conversation: Conversation) -> None:
        if conversation in self._held:
            request, _ = self._held.pop(conversation)
            conversation.answer(request.answered(self._do(request)[1]))
