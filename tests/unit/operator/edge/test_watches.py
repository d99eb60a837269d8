"""kopf's watches, and an API server that does not serve everything yet."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fixtures.fake_api_server import FakeApiServer, Json, listing
from fixtures.waiting import wait_until
from kubernel_operator.edge import handlers
from kubernel_operator.edge.handlers import RESOURCES, NotServedError, Watches

VERBS = ["create", "get", "list", "patch", "watch"]


class Served(FakeApiServer):
    """Serves the resources of RESOURCES, and namespaces.

    Attributes:
        hidden: plurals that it does not serve; ours, until a test changes it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden = {"kernelinstances", "kernelpools"}

    def discover(self, path: str) -> Json | None:
        """The answer to a question of discovery; None: the path is none."""
        served = [("", "v1", "namespaces"), *RESOURCES.values()]
        if path == "/api":
            return {"versions": ["v1"]}
        if path == "/apis":
            versions = {group: {"version": version} for group, version, _ in served if group}
            return {"groups": [{"name": g, "versions": [v], "preferredVersion": v} for g, v in versions.items()]}
        plurals = [
            plural
            for group, version, plural in served
            if path == (f"/apis/{group}" if group else "/api") + f"/{version}"
        ]
        visible = [
            {"name": plural, "kind": plural, "singularName": "", "namespaced": True, "verbs": VERBS}
            for plural in plurals
        ]
        return {"resources": [each for each in visible if each["name"] not in self.hidden]} if plurals else None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Discovery and LISTs; watches as told."""
        if (answer := self.discover(request.path)) is not None:
            return web.json_response(answer)
        self.answers.setdefault(("GET", request.path), [listing(5)])
        return await super().handle(request)


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """One that a kubeconfig leads to."""
    monkeypatch.setattr(handlers, "NOT_SERVED_SECONDS", 0.01)
    monkeypatch.setattr(handlers, "RESTART_SECONDS", 0.01)
    served, path = Served(), tmp_path / "kubeconfig"
    async with served.listening():
        config = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{served.port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(path))
        yield served


@pytest.fixture
async def events(server: Served) -> AsyncIterator["asyncio.Queue[tuple[str, str]]"]:
    """Kinds and types of the events of watches that run."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[tuple[str, str]]()

    def take(kind: str, type_: str, _: Any) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, (kind, type_))

    watches = Watches((), take, lambda: None)
    watches.start()
    yield queue
    await asyncio.to_thread(watches.stop)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Ours, and not kopf's."""
    ours = [record for record in caplog.records if record.name.startswith("kubernel_operator")]
    return [record.getMessage() for record in ours if record.levelno == logging.WARNING]


async def test_what_is_served_later_is_watched_then(
    server: Served, events: "asyncio.Queue[tuple[str, str]]", caplog: pytest.LogCaptureFixture
) -> None:
    """The CRDs are applied after the operator has started."""
    await asyncio.to_thread(wait_until, "a second look", lambda: len(warnings(caplog)) >= 2, seconds=30)
    assert set(warnings(caplog)) == {
        "The API server does not serve kernelinstances.kubernel.dev, kernelpools.kubernel.dev: are the CRDs installed? "
        "kubectl get crd kernelinstances.kubernel.dev"
    }
    assert "Traceback" not in caplog.text
    server.hidden = set()
    while True:
        stream = await asyncio.wait_for(server.watches.get(), 30)
        stream.send("ADDED", {"metadata": {"name": "k", "namespace": "n", "uid": "u", "resourceVersion": "6"}})
        if await asyncio.wait_for(events.get(), 30) == ("instance", "ADDED"):
            break


@pytest.mark.parametrize("missing", [plural for _, _, plural in RESOURCES.values()])
def test_each_is_required(missing: str) -> None:
    plurals = {plural for _, _, plural in RESOURCES.values()}
    handlers.require_served(plurals)
    with pytest.raises(NotServedError, match=f"does not serve {missing}"):
        handlers.require_served(plurals - {missing})


async def test_watches_start_anew_with_another_certificate_authority(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A pod's ca.crt is replaced when the cluster's authority is; kopf would go on with the old one for ever."""
    authority = tmp_path / "ca.crt"
    authority.write_text("old")
    monkeypatch.setattr(handlers, "AUTHORITY", authority)
    monkeypatch.setattr(handlers, "AUTHORITY_SECONDS", 0.01)
    caplog.set_level(logging.INFO)
    server.hidden = set()
    begun: list[None] = []
    watches = Watches((), lambda *_: None, lambda: begun.append(None))
    watches.start()
    try:
        await asyncio.to_thread(wait_until, "all watches", lambda: len(begun) >= len(RESOURCES), seconds=60)
        authority.write_text("new")
        await asyncio.to_thread(wait_until, "all again", lambda: len(begun) >= 2 * len(RESOURCES), seconds=60)
    finally:
        await asyncio.to_thread(watches.stop)
    assert "another certificate authority" in caplog.text
