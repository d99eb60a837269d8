"""What a page has read, over a real websocket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from fixtures.waiting import until
from kubernel_jupyter.pages import Pings


class Handler(WebSocketHandler):
    """The server's end.

    Attributes:
        heard: answers to pings of others.
    """

    opened: asyncio.Future[Any]

    def open(self, *_: str, **__: str) -> None:
        self.heard: list[bytes] = []
        self.opened.set_result(self)

    def on_pong(self, data: bytes) -> None:
        self.heard.append(data)


@pytest.fixture
async def ends(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Handler, aiohttp.ClientWebSocketResponse]]:
    """Both ends of a websocket; the client answers no ping by itself."""
    monkeypatch.setattr(Handler, "opened", asyncio.get_running_loop().create_future(), raising=False)
    server = HTTPServer(Application([("/", Handler)]))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([listening])
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        async with session.ws_connect(url, autoping=False) as client:
            yield await Handler.opened, client
    server.stop()
    await server.close_all_connections()


async def test_a_page_has_read_what_came_before_the_ping_that_it_answers(
    ends: tuple[Handler, aiohttp.ClientWebSocketResponse],
) -> None:
    handler, client = ends
    pings = Pings(handler)
    await handler.write_message("cancelled")
    answered = asyncio.ensure_future(pings.answered())
    assert (await client.receive()).data == "cancelled"
    ping = await client.receive()
    assert ping.type is aiohttp.WSMsgType.PING
    await client.pong(b"another's")
    await until("the other's is heard", lambda: handler.heard == [b"another's"])
    assert not answered.done()
    await client.pong(bytes(ping.data))
    await answered
    assert handler.heard == [b"another's"], "what is ours is nobody else's"


async def test_a_page_that_has_closed_is_not_waited_for(
    ends: tuple[Handler, aiohttp.ClientWebSocketResponse],
) -> None:
    handler, client = ends
    pings = Pings(handler)
    await client.close()
    await until("it is closed", lambda: handler.ws_connection is None)
    await pings.answered()
