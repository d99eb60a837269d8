"""Pages that wait for a kernel, and proof that they have read what they were sent."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol

from tornado.websocket import WebSocketClosedError

# A page whose network is away does not answer. The message is lost then, and the page comes back and asks.
TOLD_SECONDS = 5.0


class WaitingPage(Protocol):
    """A page's connection to a kernel that is pending."""

    def interrupt(self) -> None:
        """The cells that it has sent shall not run."""

    async def is_told(self) -> None:
        """Returns when the page has read what became of the start, or is gone."""


async def all_told(pages: Iterable[WaitingPage]) -> None:
    """Returns when all pages know what became of the start, or do not answer for a while."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TOLD_SECONDS):
            await asyncio.gather(*(page.is_told() for page in pages))


class Pings:
    """Asks one page for a sign. Browsers answer a ping by themselves, after all that came before it.

    Args:
        handler: of the page's websocket, which goes on hearing of the pings of others.
    """

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._asked: dict[bytes, asyncio.Future[None]] = {}
        self._hear, handler.on_pong = handler.on_pong, self._on_pong

    async def answered(self) -> None:
        """Returns when the page has read what was sent so far; at once if it is closed."""
        ping = secrets.token_bytes(8)
        answer = self._asked[ping] = asyncio.get_running_loop().create_future()
        try:
            self._handler.ping(ping)
            await answer
        except WebSocketClosedError:
            return
        finally:
            del self._asked[ping]

    def _on_pong(self, data: bytes) -> Any:
        if (answer := self._asked.get(data)) is None:
            return self._hear(data)
        if not answer.done():
            answer.set_result(None)
        return None
