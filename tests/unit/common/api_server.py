"""An API server of a few lines: it asks for a token, and watches stay open until a test ends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]


def failure(status: int, reason: str = "", message: str = "", **details: Any) -> tuple[int, Json]:
    """An answer that is an error."""
    return status, {"kind": "Status", "code": status, "reason": reason, "message": message, "details": details}


def listing(version: int, *items: Json) -> tuple[int, Json]:
    """The answer to a LIST."""
    return 200, {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


@dataclass
class Stream:
    """A watch that a client has opened."""

    query: dict[str, str]
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    def send(self, kind: str, obj: Json) -> None:
        """Sends an event."""
        self.send_raw(json.dumps({"type": kind, "object": obj}).encode() + b"\n")

    def send_raw(self, line: bytes) -> None:
        """Sends what may be no event."""
        self.lines.put_nowait(line)

    def end(self) -> None:
        """Ends the watch, as an API server does every few minutes."""
        self.lines.put_nowait(None)


class ApiServer:
    """Answers as told.

    Attributes:
        token: the one that it accepts; None: it asks for none.
        answers: by method and path, the last of which stays.
        watch_answers: errors for the next watches.
        requests: method, path and Authorization of each request.
        watches: those that were opened.
        hold: awaited before a request is answered.
    """

    def __init__(self) -> None:
        self.token: str | None = None
        self.answers: dict[tuple[str, str], list[tuple[int, Any]]] = {}
        self.watch_answers: list[tuple[int, Json]] = []
        self.requests: list[tuple[str, str, str | None]] = []
        self.headers: list[dict[str, str]] = []
        self.watches: asyncio.Queue[Stream] = asyncio.Queue()
        self.hold: Callable[[web.Request], Awaitable[None]] | None = None
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request at all."""
        authorization = request.headers.get("Authorization")
        self.requests.append((request.method, request.path, authorization))
        self.headers.append(dict(request.headers))
        if self.hold is not None:
            await self.hold(request)
        if self.token is not None and authorization is None:
            message = 'pods is forbidden: User "system:anonymous" cannot list resource "pods"'
            return web.json_response(failure(403, "Forbidden", message)[1], status=403)
        if self.token is not None and authorization != f"Bearer {self.token}":
            return web.json_response(failure(401, "Unauthorized", "Unauthorized")[1], status=401)
        if request.headers.get("Upgrade") == "websocket":
            return await _echo(request)
        if request.query.get("watch") == "true":
            return await self._watch(request)
        answers = self.answers.get((request.method, request.path), [listing(5)])
        status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.json_response(answer, status=status)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if self.watch_answers:
            status, answer = self.watch_answers.pop(0)
            return web.json_response(answer, status=status)
        stream = Stream(dict(request.query))
        response = web.StreamResponse()
        await response.prepare(request)
        self.watches.put_nowait(stream)
        while (line := await stream.lines.get()) is not None:
            await response.write(line)
        return response

    async def start(self) -> web.AppRunner:
        """Listens; the runner ends it."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_bytes(message.data)
    return socket
