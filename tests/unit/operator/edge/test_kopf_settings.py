"""kopf watches and does nothing else."""

import itertools
from collections.abc import AsyncIterator

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kubernel_operator.edge.kopf_settings import (
    Backoffs,
    NoDiffBase,
    NoMemories,
    NoProgress,
    kopf_settings,
    session,
)


def test_only_our_pods_are_watched() -> None:
    selector = "app.kubernetes.io/managed-by=kubernel"
    selectors = kopf_settings().watching.label_selectors
    assert (selectors["pods"], selectors["leases.coordination.k8s.io"]) == (selector, selector)


def test_nothing_is_written() -> None:
    settings = kopf_settings()
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert isinstance(settings.persistence.diffbase_storage, NoDiffBase)
    assert isinstance(settings.persistence.progress_storage, NoProgress)
    patch: dict[str, object] = {}
    settings.persistence.diffbase_storage.store(body={}, patch=patch, essence={"spec": 1})
    settings.persistence.progress_storage.store(key="k", record={}, body={}, patch=patch)
    settings.persistence.progress_storage.touch(body={}, patch=patch, value="now")
    assert patch == {}


def test_back_off_never_ends_and_begins_anew() -> None:
    backoffs = Backoffs()
    first = list(itertools.islice(backoffs, 1000))
    assert 0.1 <= first[0] <= 0.2
    assert all(2.5 <= seconds <= 5.0 for seconds in first[4:])
    assert next(iter(backoffs)) <= 0.2


@pytest.fixture
async def api_server() -> AsyncIterator[str]:
    """Lists one of many pods, and refuses the rest."""

    async def pods(_: web.Request) -> web.Response:
        metadata = {"resourceVersion": "77", "continue": "more"}
        return web.json_response({"kind": "PodList", "metadata": metadata, "items": [{"metadata": {"uid": "u"}}]})

    async def refusal(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "metadata": {}, "code": 403}, status=403)

    app = web.Application()
    app.router.add_get("/pods", pods)
    app.router.add_get("/leases", refusal)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_a_list_of_kopf_is_a_version_and_no_objects(api_server: str) -> None:
    """A sweep lists everything; kopf would hold all of it at once."""
    listed: list[bool] = []
    info = kopf.ConnectionInfo(server=api_server)
    connection = session(info, lambda: listed.append(True), lambda *_: None, {})
    async with connection.aiohttp_session as requests:
        async with requests.get(f"{api_server}pods") as response:
            assert await response.json() == {"kind": "PodList", "metadata": {"resourceVersion": "77"}, "items": []}
        assert listed == [True]
        async with requests.get(f"{api_server}leases") as response:
            assert (await response.json())["code"] == 403
        assert listed == [True]
    assert kopf_settings().watching.chunk_size == 1


async def test_kopf_remembers_no_object() -> None:
    memories = NoMemories()
    for number in range(3):
        await memories.recall({"metadata": {"uid": str(number)}}, noticed_by_listing=True)
    assert list(memories.iter_all_memories()) == []
