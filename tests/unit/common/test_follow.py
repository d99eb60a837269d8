"""Following a collection: whatever happens, the sink ends up right and nothing is dead for lack of news."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kubernel_cluster import follow
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiUnavailableError
from kubernel_cluster.follow import Follower
from kubernel_cluster.login import ClusterKey

from .api_server import ApiServer, failure, listing

PATH = "/pods"
Json = dict[str, Any]


def pod(name: str, version: int) -> Json:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


class Sink:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def replace(self, objects: list[Json], version: int, *, restored: bool = False) -> None:
        self.told.put_nowait(("LIST", [o["metadata"]["name"] for o in objects], version, restored))

    def apply(self, event: str, obj: Json) -> None:
        self.told.put_nowait((event, obj["metadata"]["name"]))

    async def next(self) -> tuple[Any, ...]:
        async with asyncio.timeout(60):
            return await self.told.get()


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "BACKOFF_SECONDS", (0.0,))


@pytest.fixture
async def cluster(api_server: ApiServer, write_kubeconfig: Callable[..., str]) -> AsyncIterator[Cluster]:
    cluster = await Cluster.open(ClusterKey(write_kubeconfig(api_server.url, {})), "test")
    yield cluster
    await cluster.close()


@pytest.fixture
async def sink(cluster: Cluster, api_server: ApiServer) -> AsyncIterator[Sink]:
    """One that is fed; the first list has p1, at version 10."""
    api_server.answers["GET", PATH] = [listing(10, pod("p1", 5))]
    sink = Sink()
    following = asyncio.create_task(Follower(cluster, PATH, {"labelSelector": "a=b"}, sink).follow_for_ever())
    assert await sink.next() == ("LIST", ["p1"], 10, False)
    yield sink
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_list_and_a_watch_from_there(sink: Sink, api_server: ApiServer) -> None:
    stream = await api_server.watches.get()
    for event, name, version in (("MODIFIED", "p1", 11), ("ADDED", "p2", 12), ("DELETED", "p1", 13)):
        stream.send(event, pod(name, version))
        assert await sink.next() == (event, name)
    query = {key: stream.query[key] for key in ("labelSelector", "resourceVersion", "allowWatchBookmarks", "watch")}
    assert query == {"labelSelector": "a=b", "resourceVersion": "10", "allowWatchBookmarks": "true", "watch": "true"}
    stream.end()


async def test_a_watch_that_ends_goes_on_from_its_last_bookmark_without_a_list(
    sink: Sink, api_server: ApiServer
) -> None:
    first = await api_server.watches.get()
    first.send("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
    first.end()
    second = await api_server.watches.get()
    assert second.query["resourceVersion"] == "20"
    assert sink.told.empty()
    second.end()


@pytest.mark.parametrize("how", ["in the stream", "as the answer"])
async def test_a_version_that_is_too_old_takes_a_new_list(sink: Sink, api_server: ApiServer, how: str) -> None:
    first = await api_server.watches.get()
    api_server.answers["GET", PATH] = [listing(30, pod("p2", 25))]
    if how == "in the stream":
        first.send("ERROR", failure(410, "Expired")[1])
    else:
        api_server.watch_answers.append(failure(410, "Expired"))
    first.end()
    second = await api_server.watches.get()
    assert second.query["resourceVersion"] == "30"
    assert await sink.next() == ("LIST", ["p2"], 30, False)
    second.end()


@pytest.mark.parametrize("how", ["in the stream", "as the answer"])
async def test_a_version_from_before_a_restore_takes_a_new_list(sink: Sink, api_server: ApiServer, how: str) -> None:
    """etcd was restored from a backup: the API server waits for a version that never comes, and says 504."""
    first = await api_server.watches.get()
    first.send("BOOKMARK", {"metadata": {"resourceVersion": "99"}})
    api_server.answers["GET", PATH] = [listing(7, pod("p1", 3))]
    too_large = failure(504, "Timeout", "Too large resource version", causes=[{"reason": "ResourceVersionTooLarge"}])
    if how == "in the stream":
        first.send("ERROR", too_large[1])
    else:
        api_server.watch_answers.append(too_large)
    first.end()
    second = await api_server.watches.get()
    assert second.query["resourceVersion"] == "7"
    assert await sink.next() == ("LIST", ["p1"], 7, True)
    second.end()


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_a_passing_error_leaves_the_sink_as_it_is(sink: Sink, api_server: ApiServer, status: int) -> None:
    first = await api_server.watches.get()
    api_server.watch_answers += [failure(status), failure(status)]
    first.end()
    second = await api_server.watches.get()
    assert second.query["resourceVersion"] == "10"
    assert sink.told.empty()
    second.end()


async def test_what_is_refused_again_and_again_takes_a_new_list(sink: Sink, api_server: ApiServer) -> None:
    first = await api_server.watches.get()
    api_server.watch_answers += [failure(400)] * follow.REFUSALS_BEFORE_RELIST
    first.end()
    second = await api_server.watches.get()
    assert (await sink.next())[0] == "LIST"
    second.end()


async def test_nonsense_is_survived_by_a_new_list(sink: Sink, api_server: ApiServer) -> None:
    first = await api_server.watches.get()
    first.send_raw(b"<html>\n")
    first.end()
    second = await api_server.watches.get()
    assert await sink.next() == ("LIST", ["p1"], 10, False)
    second.end()


async def test_watches_that_end_at_once_are_opened_slower_and_slower(
    cluster: Cluster, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateways do that: it would be 1,500 watches a second."""
    slept: list[float] = []
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            done.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(follow, "BACKOFF_SECONDS", (1.0, 10.0, 100.0, 1000.0))
    monkeypatch.setattr(follow.asyncio, "sleep", sleep)
    api_server.answers["GET", PATH] = [listing(10)]
    following = asyncio.create_task(Follower(cluster, PATH, {}, Sink()).follow_for_ever())
    for _ in range(4):
        (await api_server.watches.get()).end()
    await done.wait()
    following.cancel()
    assert slept == sorted(slept)
    assert slept[-1] >= 500


async def test_the_api_server_says_when_it_may_be_asked_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is asked too much answers 429 with Retry-After."""
    slept: list[float] = []
    done = asyncio.Event()

    async def busy(*_: Any, **__: Any) -> Any:
        raise ApiUnavailableError("429", status=429, retry_after=20.0)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        done.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(cluster, "list", busy)
    with monkeypatch.context() as patched:
        patched.setattr(follow.asyncio, "sleep", sleep)
        following = asyncio.create_task(Follower(cluster, PATH, {}, Sink()).follow_for_ever())
        await done.wait()
        following.cancel()
    assert 20.0 <= slept[0] <= 25.0


async def test_a_silent_connection_is_replaced(
    cluster: Cluster, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "SILENCE_SECONDS", 0.2)
    api_server.answers["GET", PATH] = [listing(10)]
    following = asyncio.create_task(Follower(cluster, PATH, {}, Sink()).follow_for_ever())
    streams = [await api_server.watches.get() for _ in range(2)]
    assert [stream.query["resourceVersion"] for stream in streams] == ["10", "10"]
    following.cancel()
    for stream in streams:
        stream.end()
