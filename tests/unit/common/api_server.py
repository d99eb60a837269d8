"""An API server of a few lines that asks for a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from fixtures.fake_api_server import FakeApiServer, failure, listing

__all__ = ["ApiServer", "failure", "listing"]


class ApiServer(FakeApiServer):
    """Answers as told, or with an empty list; a WebSocket is an echo.

    Attributes:
        token: the one that it accepts; None: it asks for none.
        authorizations: method, path and Authorization of each request.
        hold: awaited before a request is answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token: str | None = None
        self.authorizations: list[tuple[str, str, str | None]] = []
        self.hold: Callable[[web.Request], Awaitable[None]] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request at all."""
        authorization = request.headers.get("Authorization")
        self.authorizations.append((request.method, request.path, authorization))
        if self.hold is not None:
            await self.hold(request)
        if self.token is not None and authorization is None:
            message = 'pods is forbidden: User "system:anonymous" cannot list resource "pods"'
            return web.json_response(failure(403, "Forbidden", message)[1], status=403)
        if self.token is not None and authorization != f"Bearer {self.token}":
            return web.json_response(failure(401, "Unauthorized", "Unauthorized")[1], status=401)
        if request.headers.get("Upgrade") == "websocket":
            return await _echo(request)
        self.answers.setdefault((request.method, request.path), [listing(5)])
        return await super().handle(request)


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_bytes(message.data)
    return socket
