"""The watch: whatever happens to it, the view ends up right and nothing is dead for lack of news."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kubernel_provisioner import watch as watch_module
from kubernel_provisioner.api import Api
from kubernel_provisioner.view import View
from kubernel_provisioner.watch import Follower

from .conftest import INSTANCES, FakeApiServer, failure, instance, listing


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "BACKOFF_SECONDS", (0.0,))


@pytest.fixture
async def view(api: Api, server: FakeApiServer) -> AsyncIterator[View]:
    """A view that is fed; the first list has k-1 in version 5."""
    server.answers["GET", INSTANCES] = [listing(10, instance(phase="Running"))]
    view = View()
    follower = asyncio.create_task(Follower(api, "kubernel.dev/server=s", view).follow_for_ever())
    yield view
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)


async def state(view: View, name: str, version: int) -> tuple[int, bool, str | None]:
    """Version, gone, phase: as soon as that version is there."""
    async with asyncio.timeout(10):
        while (seen := view.get(name)) is None or seen.version < version:
            await view.change(name, seen, None)
    return seen.version, seen.gone, seen.status.get("phase")


async def test_a_list_and_a_watch_from_there(view: View, server: FakeApiServer) -> None:
    stream = await server.watches.get()
    stream.send("MODIFIED", instance(version=11, phase="Exited"))
    stream.send("ADDED", instance("k-2", 12))
    assert await state(view, "k-1", 11) == (11, False, "Exited")
    assert await state(view, "k-2", 12) == (12, False, None)
    stream.send("DELETED", instance(version=13))
    assert await state(view, "k-1", 13) == (13, True, None)
    query = {key: stream.query[key] for key in ("labelSelector", "resourceVersion", "allowWatchBookmarks", "watch")}
    assert query == {
        "labelSelector": "kubernel.dev/server=s",
        "resourceVersion": "10",
        "allowWatchBookmarks": "true",
        "watch": "true",
    }
    stream.end()


async def test_a_watch_that_ends_goes_on_from_its_last_bookmark_without_a_list(
    view: View, server: FakeApiServer
) -> None:
    first = await server.watches.get()
    first.send("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
    first.end()
    second = await server.watches.get()
    assert second.query["resourceVersion"] == "20"
    assert server.calls() == [("GET", INSTANCES)]
    assert len(view) == 1
    second.end()


@pytest.mark.parametrize("how", ["in the stream", "as the answer"])
async def test_a_version_that_is_too_old_takes_a_new_list(view: View, server: FakeApiServer, how: str) -> None:
    first = await server.watches.get()
    server.answers["GET", INSTANCES] = [listing(30, instance("k-2", 25))]
    if how == "in the stream":
        first.send("ERROR", failure(410, "Expired")[1])
    else:
        server.watch_answers.append(failure(410, "Expired"))
    first.end()
    second = await server.watches.get()
    assert second.query["resourceVersion"] == "30"
    assert (await state(view, "k-1", 5))[1] is True  # it was deleted while nobody watched
    assert await state(view, "k-2", 25) == (25, False, None)
    second.end()


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_an_error_leaves_the_view_as_it_is(view: View, server: FakeApiServer, status: int) -> None:
    first = await server.watches.get()
    server.watch_answers += [failure(status), failure(status)]
    first.end()
    second = await server.watches.get()
    assert await state(view, "k-1", 5) == (5, False, "Running")
    assert second.query["resourceVersion"] == "10"
    second.end()


async def test_nonsense_is_survived_by_a_new_list(view: View, server: FakeApiServer) -> None:
    first = await server.watches.get()
    first.send_raw(b"<html>\n")
    first.end()
    second = await server.watches.get()
    assert server.calls() == [("GET", INSTANCES)] * 2
    assert await state(view, "k-1", 5) == (5, False, "Running")
    second.end()


async def test_a_silent_connection_is_replaced(
    api: Api, server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(watch_module, "BACKOFF_SECONDS", (0.0,))
    server.answers["GET", INSTANCES] = [listing(10)]
    follower = asyncio.create_task(Follower(api, "", View()).follow_for_ever())
    streams = [await server.watches.get() for _ in range(2)]
    assert [stream.query["resourceVersion"] for stream in streams] == ["10", "10"]
    follower.cancel()
    for stream in streams:
        stream.end()
