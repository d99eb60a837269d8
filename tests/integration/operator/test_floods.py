"""Pods that try to keep the operator busy: what they do changes nothing for other kernels."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import aiohttp
import pytest

from kubernel_api.names import secret_name
from kubernel_operator.decide.pace import PACE_SECONDS
from kubernel_operator.edge.callback_server import CONNECTIONS_OF_PEER_MAX
from kubernel_wire.callback import token

from .conftest import Place
from .kernels import Kernel

CONNECTIONS = 4000
# What an operator may have open: more than the connections that it takes, less than those that come.
FILES = 1500
FLOOD_SECONDS = 8.0
STATES = {"state": "running"}, {"state": "starting"}


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may have so many connections open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, CONNECTIONS + 1000)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_silent_connections_keep_nobody_out(place: Place, many_files: None) -> None:
    """M1: 4,000 of them, from as many pods as it takes; the operator has room for 1,000."""
    assert place.operator.process is not None
    resource.prlimit(place.operator.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    with ExitStack() as stack:
        for number in range(CONNECTIONS):
            peer = number // CONNECTIONS_OF_PEER_MAX
            address = (f"127.0.{2 + peer // 250}.{1 + peer % 250}", 0)
            server = ("127.0.0.1", place.operator.callback_port)
            stack.enter_context(socket.create_connection(server, timeout=10, source_address=address))
        kernel = place.kernels.start()
        kernel.do("os._exit(42)")
        assert kernel.exited()["exitCode"] == 42


class Flood:
    """A pod's callbacks that say in turns that its kernel runs and that it starts, as fast as they are taken."""

    def __init__(self, place: Place, kernel: Kernel) -> None:
        found = kernel.get()["metadata"]
        self._secret = f"{place.namespace}/{secret_name(kernel.name, found['uid'])}"
        operator_key = place.api.request("GET", place.kernels.path("secrets", "kubernel-operator"))["data"]["key"]
        self._token = token(base64.b64decode(operator_key), self._secret).encode()
        self._pod = kernel.child_names("pods")[0]
        self._url = f"http://127.0.0.1:{place.operator.callback_port}/v1/callback"
        self._sequence = itertools.count(1)
        self._over = threading.Event()
        self.answers: list[int] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """It goes on inside."""
        thread = threading.Thread(target=lambda: asyncio.run(self._send()))
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    async def _send(self) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as session:
            await asyncio.gather(*(self._send_in_turn(session) for _ in range(CONNECTIONS_OF_PEER_MAX)))

    async def _send_in_turn(self, session: aiohttp.ClientSession) -> None:
        while not self._over.is_set():
            sequence = next(self._sequence)
            report = {"secret": self._secret, "pod": self._pod, "boot": "flood", "sequence": sequence, "generation": 0}
            body = json.dumps({**report, **STATES[sequence % 2], "age": 0}).encode()
            signature = hmac.new(self._token, body, hashlib.sha256).hexdigest()
            try:
                async with session.post(self._url, data=body, headers={"X-Kubernel-Signature": signature}) as answer:
                    self.answers.append(answer.status)
            except aiohttp.ClientError:
                self.answers.append(0)


def test_callbacks_of_one_pod_change_nothing_for_others(place: Place) -> None:
    """M2: each would be a write of a status, and an event for everybody who watches."""
    kernel = place.kernels.start()
    flood = Flood(place, kernel)
    place.proxy.reset()
    began = time.monotonic()
    with flood.running():
        while time.monotonic() < began + FLOOD_SECONDS:
            other = place.kernels.start()
            other.do("os._exit(42)")
            assert other.exited()["exitCode"] == 42
    seconds = time.monotonic() - began
    written = place.proxy.writes(kernel.name)
    print(f"{seconds:.1f} s, {Counter(flood.answers)}, {len(written)} writes")
    assert 204 in flood.answers
    assert 429 in flood.answers
    assert len(written) <= seconds / PACE_SECONDS + 2, written
