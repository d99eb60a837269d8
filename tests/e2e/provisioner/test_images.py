"""What a registry says of an image decides whether a start goes on: one of a few lines says it to a real node."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kubectl import Kubectl
from kubernel_provisioner.errors import KernelFailedError

Make = Callable[..., AsyncKernelManager]
# Generous; without a verdict it would be the start's deadline, 300 s.
DONE_SECONDS = 120


class Registry(ThreadingHTTPServer):
    """Answers each request for a manifest with one status, and counts them."""

    status = 404
    manifests = 0

    @property
    def image(self) -> str:
        """An image that it does not give."""
        return f"127.0.0.1:{self.server_port}/team/kernel:1"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        registry: Registry = self.server  # type: ignore[assignment]
        registry.manifests += "manifests" in self.path
        self.send_response(registry.status)
        body = json.dumps({"errors": [{"code": "X", "message": "said the registry"}]}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the base's names

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def registry(kubectl: Kubectl) -> Iterator[Registry]:
    """At the node's own loopback, to which runtimes talk without TLS; so the node must be this machine."""
    try:
        with socket.socket() as mine:
            mine.bind((kubectl.node_addresses()[0], 0))
    except OSError:
        pytest.skip("the node is another machine than this one")
    with Registry(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [404, 401, 403])
async def test_a_verdict_ends_the_start(
    make_manager: Make, monkeypatch: pytest.MonkeyPatch, registry: Registry, status: int
) -> None:
    registry.status = status
    monkeypatch.setenv("KUBERNEL_IMAGE", registry.image)
    with pytest.raises(KernelFailedError) as caught:
        async with asyncio.timeout(DONE_SECONDS):
            await make_manager().start_kernel()
    assert caught.value.reason == "ImageRefused"
    assert registry.image in caught.value.what
    assert registry.manifests > 1  # it was asked twice


@pytest.mark.parametrize("status", [503, 429])
async def test_a_registry_that_is_busy_is_waited_for(
    make_manager: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    registry: Registry,
    status: int,
) -> None:
    """And what it says later counts."""
    registry.status = status
    monkeypatch.setenv("KUBERNEL_IMAGE", registry.image)
    with caplog.at_level(logging.INFO):
        start = asyncio.create_task(make_manager().start_kernel())
        async with asyncio.timeout(DONE_SECONDS):
            while "ImagePullFailed: " not in caplog.text or registry.manifests < 2:  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.05)
        assert not start.done()
        registry.status = 404
        with pytest.raises(KernelFailedError, match="ImageRefused"):
            async with asyncio.timeout(DONE_SECONDS):
                await start
