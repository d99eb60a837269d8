"""Where supervisors report: ``docs/protocols.md``, "Callback".

Any pod of the cluster can knock here, so nobody is waited for and nobody is let in without end. The protocol is one
POST of a few kilobytes for each connection, which is why this is a server of its own: aiohttp waits for a request for
as long as it takes, and has no limit on connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from kubernel_operator import metrics
from kubernel_operator.verdict import Verdict
from kubernel_wire.callback import Callback, MalformedReportError, proof, token, verified

logger = logging.getLogger(__name__)

PATH = "/v1/callback"
HEAD_MAX_BYTES = 8 * 1024
# A report is at most 4 KiB of log and some fields.
BODY_MAX_BYTES = 16 * 1024
# For a whole exchange, from the connection to the answer. It takes a few milliseconds.
EXCHANGE_SECONDS = 5.0
CONNECTIONS_MAX = 1000
# A node may hide its pods behind its own address.
CONNECTIONS_OF_PEER_MAX = 32
# A pod that has said a lot hears so late: who does not wait is made to, and with 32 connections asks 32 times a second.
TOO_MANY_SECONDS = 1.0
BACKLOG = 1024
TELL_SECONDS = 60.0
_TOLD_MAX = 10_000

_REASONS = {
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
}
_VERDICTS = {
    Verdict.TAKEN: (204, "taken", ""),
    Verdict.UNKNOWN: (404, "unknown", "this pod is not known here (yet)"),
    Verdict.FOREIGN: (403, "forbidden", "this is another kernel's pod"),
    Verdict.TOO_MANY: (429, "too many", "this pod has said a lot; wait a second"),
}


class _RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, text: str, result: str = "malformed") -> None:
        super().__init__(text)
        self.status, self.text, self.result = status, text, result


class CallbackServer:
    """Takes callbacks. Belongs to one event loop."""

    def __init__(self, operator_key: bytes, take: Callable[[Callback], Verdict]) -> None:
        """A server that is not started.

        Args:
            operator_key: derives the pods' tokens.
            take: gets each genuine callback.
        """
        self._operator_key = operator_key
        self._take = take
        self._open: dict[asyncio.StreamWriter, str] = {}  # with its peer; the oldest one first
        self._of_peer: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    @asynccontextmanager
    async def serving(self, port: int, host: str | None = None) -> AsyncIterator[int]:
        """Serves inside; gives the port.

        Raises:
            OSError: the port cannot be opened.
        """
        server = await asyncio.start_server(self._connected, host, port, limit=HEAD_MAX_BYTES, backlog=BACKLOG)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for writer in list(self._open):
                writer.transport.abort()

    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")
        peer = str(address[0]) if address else "gone"
        if self._of_peer[peer] >= CONNECTIONS_OF_PEER_MAX:
            writer.transport.abort()
            self._tell(peer, f"has {CONNECTIONS_OF_PEER_MAX} connections open; more are refused")
            return
        if len(self._open) >= CONNECTIONS_MAX:
            # An exchange takes milliseconds, so the oldest connection is one that says nothing.
            next(iter(self._open)).transport.abort()
        self._open[writer] = peer
        self._of_peer[peer] += 1
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS):
                await self._exchange(reader, writer, peer)
            writer.close()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # silent, slow or gone: nobody to tell
        finally:
            if not writer.is_closing():
                writer.transport.abort()
            del self._open[writer]
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        shown = ""
        try:
            status, result, text, shown = self._answer(*await _request(reader))
        except _RefusedError as refused:
            status, result, text = refused.status, refused.result, refused.text
        metrics.CALLBACKS.labels(result).inc()
        if status == 429:
            await asyncio.sleep(TOO_MANY_SECONDS)
        if result == "forbidden":
            self._tell(peer, f"sent a callback that is not its own: {text}")
        writer.write(_response(status, text, shown))
        writer.write_eof()
        # Until the peer has closed: bytes that nobody has read would make the kernel take back the answer.
        while await reader.read(HEAD_MAX_BYTES):
            pass

    def _answer(self, signature: str, body: bytes) -> tuple[int, str, str, str]:
        """Status, result for the metrics, text, and what shows that we know the pod's token."""
        try:
            callback = verified(body, signature, self._operator_key)
        except MalformedReportError as error:
            raise _RefusedError(400, str(error)) from None
        if callback is None:
            raise _RefusedError(403, "the signature is not that of the pod", "forbidden")
        return *_VERDICTS[self._take(callback)], proof(token(self._operator_key, callback.secret), signature)

    def _tell(self, peer: str, what: str) -> None:
        """One line a minute about each peer: whoever can knock must not be able to fill the log."""
        now = asyncio.get_running_loop().time()
        if now < self._told.get(peer, -TELL_SECONDS) + TELL_SECONDS:
            return
        self._told.pop(peer, None)
        self._told[peer] = now
        if len(self._told) > _TOLD_MAX:
            del self._told[next(iter(self._told))]
        logger.warning("%s %s. (At most one line a minute about each address.)", peer, what)


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Signature and body of the one request there is.

    Raises:
        _RefusedError: it is another one.
        IncompleteReadError: the peer has closed before.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise _RefusedError(431, "the header is too long") from None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    match first.split(" "):
        case ["POST", path, "HTTP/1.1" | "HTTP/1.0"] if path == PATH:
            pass
        case [_, path, "HTTP/1.1" | "HTTP/1.0"]:
            raise _RefusedError(405 if path == PATH else 404, f"there is nothing but POST {PATH}")
        case _:
            raise _RefusedError(400, "this is no HTTP/1.1")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = fields.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise _RefusedError(411, "a Content-Length is needed")
    if len(length) > 9 or int(length) > BODY_MAX_BYTES:
        raise _RefusedError(413, f"a report has at most {BODY_MAX_BYTES} bytes")
    return fields.get("x-kubernel-signature", ""), await reader.readexactly(int(length))


def _response(status: int, text: str, shown: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", "Connection: close"]
    if shown:
        lines.append(f"X-Kubernel-Signature: {shown}")
    if status == 429:
        lines.append("Retry-After: 1")
    if status == 405:
        lines.append("Allow: POST")
    body = text.encode()
    if status != 204:
        lines += ["Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body if status != 204 else b"")
