"""What is taken from a watch, and what kopf gets to see of it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kopf._cogs.clients.api import iter_jsonlines

from kubernel_operator.edge.handlers import READERS
from kubernel_operator.edge.kopf_settings import session
from kubernel_operator.edge.watch_stream import WatchStream


def event(type_: str, version: int, **fields: Any) -> bytes:
    return json.dumps({"type": type_, "object": {"metadata": {"resourceVersion": str(version)}, **fields}}).encode()


LINES = [event("ADDED", 1), event("MODIFIED", 2, text="\u00e4" * 99), event("BOOKMARK", 3), event("DELETED", 4)]
ERROR = b'{"type": "ERROR", "object": {"code": 410}}'


class Body:
    """Chunks, however they come."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


async def seen(*chunks: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, Any]]]:
    """What was taken, and what kopf's own reader makes of the rest."""
    taken: list[tuple[str, str]] = []
    stream: Any = WatchStream(
        Body(*chunks), lambda type_, obj: taken.append((type_, obj["metadata"]["resourceVersion"]))
    )
    lines = [json.loads(line) async for line in iter_jsonlines(stream)]
    return taken, [(line["type"], line["object"].get("metadata", {}).get("resourceVersion")) for line in lines]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
async def test_events_are_taken_and_kopf_learns_how_far_they_came(size: int) -> None:
    text = b"".join(line + b"\n" for line in [*LINES, ERROR])
    taken, shown = await seen(*(text[at : at + size] for at in range(0, len(text), size)))
    assert taken == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "4")]
    assert {type_ for type_, _ in shown} == {"BOOKMARK", "ERROR"}
    versions = [version for _, version in shown if version]
    assert versions[-1] == "4"
    assert ("BOOKMARK", "3") in shown


async def test_a_whole_chunk_is_one_step_for_kopf() -> None:
    _, shown = await seen(b"".join(event("MODIFIED", number) + b"\n" for number in range(1000)))
    assert shown == [("BOOKMARK", "999")]


@pytest.fixture
async def api_server() -> AsyncIterator[str]:
    """One watch with events, and one that is refused."""

    async def pods(_: web.Request) -> web.Response:
        return web.Response(body=b"".join(line + b"\n" for line in LINES))

    async def refusal(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "code": 403}, status=403)

    app = web.Application()
    app.router.add_get("/api/v1/pods", pods)
    app.router.add_get("/api/v1/services", refusal)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_a_session_takes_the_events_of_its_watches(api_server: str) -> None:
    taken: list[tuple[str, str]] = []
    info = kopf.ConnectionInfo(server=api_server)
    connection = session(info, lambda: None, lambda plural, type_, _: taken.append((plural, type_)), READERS)
    async with connection.aiohttp_session as requests:
        async with requests.get(f"{api_server}api/v1/pods?watch=true") as answer:
            assert len([line async for line in iter_jsonlines(answer.content)]) == 2
        assert taken == [("pods", "ADDED"), ("pods", "MODIFIED"), ("pods", "DELETED")]
        async with requests.get(f"{api_server}api/v1/services?watch=true") as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, 403)
