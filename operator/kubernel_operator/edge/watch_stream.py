"""A watch's events, taken where they arrive. kopf is shown how far they have come, and what else there is.

From an event to a handler kopf takes a millisecond: a queue and a task for each object, loggers, causes. A flood of
events in one namespace held up those of all others by a second. What kopf is used for is the rest: lists, versions,
connections that break and begin anew.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

Take = Callable[[str, dict[str, Any]], None]
EVENTS = ("ADDED", "MODIFIED", "DELETED")


class WatchStream:
    """Stands for the body of an answer to a watch; ``kopf`` iterates over it.

    Args:
        body: an ``aiohttp.StreamReader``.
        take: called with the type and the object of each event.
        read: makes an event of its JSON.
    """

    def __init__(self, body: Any, take: Take, read: Callable[[bytes], Any] = json.loads) -> None:
        self._body = body
        self._take = take
        self._read = read

    def __getattr__(self, name: str) -> Any:
        """All else is the body's."""
        return getattr(self._body, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Lines for kopf: bookmarks, the API server's and ours, and errors."""
        rest = b""
        async for data in self._body.iter_chunked(size):
            *lines, rest = (rest + data).split(b"\n")
            version = ""
            for line in filter(None, lines):
                event = self._read(line)
                if event["type"] in EVENTS:
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._take(event["type"], event["object"])
                else:
                    yield line + b"\n"
            if version:
                yield bookmark(version)
        yield rest


def bookmark(version: str) -> bytes:
    """What the API server sends once a minute: how far a watch has come."""
    event = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}
    return json.dumps(event).encode() + b"\n"
