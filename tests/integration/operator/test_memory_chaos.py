"""A kernel stands still for want of memory while operators die and the API server is away: it grows all the same.

``make test-chaos`` does it 30 times.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from fixtures.operator_process import OperatorProcess
from fixtures.waiting import wait_until
from kubernel_api.constants import PORTS

from .conftest import Place, only
from .fault_proxy import Fault, Request
from .kernels import Kernel
from .test_leadership import TAKEOVER_SECONDS, Pair, kill, stop

#: All disasters together, each as often as the others.
DISASTERS = 5
ROUNDS = max(1, int(os.environ.get("ROUNDS", str(DISASTERS))) // DISASTERS)
#: A supervisor lets a kernel go on by then; the rest is a busy machine's.
FROZEN_SECONDS, SLACK_SECONDS = 30.0, 30.0
FILL = b"data = bytearray(b'x') * (50 << 20)\n"
RESIZE = only(verb="patch", resource="pods/resize")


@pytest.fixture
def pair(make_place: Callable[..., Place]) -> Iterator[Pair]:
    """A leader and its standby."""
    pair = Pair(make_place())
    yield pair
    pair.place.proxy.reset()
    pair.close()


def small(pair: Pair) -> Kernel:
    """A kernel with 100Mi that may have 400Mi, and stands still at 60."""
    return pair.place.kernels.start(
        resources={"limits": {"memory": "100Mi"}}, memory={"max": "400Mi", "whenFull": "Continue"}
    )


def fill(kernel: Kernel) -> socket.socket:
    """Makes it need more; the connection ends when it has got that far."""
    connection = socket.create_connection((kernel.status["connection"]["podIP"], PORTS["shell"]), 10)
    connection.sendall(FILL)
    return connection


def limit(kernel: Kernel) -> str:
    found: str = kernel.status["resources"]["limits"]["memory"]
    return found


def stood_still(kernel: Kernel) -> list[float]:
    """For how long, each time, in seconds by the node's clock, as its container's log says; empty while it does."""
    path = kernel.kernels.path("pods", kernel.status["podName"])
    lines = kernel.api.text(f"{path}/log", timestamps="true").splitlines()
    if words := [line for line in lines if not line[:1].isdigit()]:
        print(f"{kernel.name}: the kubelet cannot read its log: {words[-1]}")
        return []
    found, since = [], None
    for line in lines:
        moment = datetime.fromisoformat(line.split()[0])
        if "the kernel stands still" in line:
            since = moment
        elif since is not None and ("the kernel goes on" in line or "the kernel got no more memory" in line):
            found.append((moment - since).total_seconds())
            since = None
    return [] if since is not None else found


def filled(kernel: Kernel, connection: socket.socket, began: float) -> None:
    """It went on before anybody could think it dead, has what it needs, and lives."""
    connection.settimeout(FROZEN_SECONDS + SLACK_SECONDS)
    with connection:
        assert connection.recv(1) == b""
    # It may have filled all before it was stopped; it answers when it goes on.
    kernel.wait("more memory", lambda: limit(kernel) != "100Mi")
    kernel.do("assert len(data) == 50 << 20")
    kernel.do("more = bytearray(b'x') * (60 << 20)")
    assert kernel.status["phase"] == "Running"
    assert "exit" not in kernel.status
    times = kernel.wait("it goes on", lambda: stood_still(kernel))
    print(f"{kernel.name}: {time.monotonic() - began:.1f} s in all; stood still for", *(f"{s:.1f}" for s in times))
    assert max(times) < FROZEN_SECONDS + SLACK_SECONDS
    kernel.delete()


@pytest.mark.timeout(120 * ROUNDS + 240)
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_leader_dies_as_it_resizes(pair: Pair, when: str) -> None:
    for _ in range(ROUNDS):
        kernel, leader = small(pair), pair.leader()
        process = leader.process
        assert process is not None

        def end(request: Request, process: object = process) -> Fault:
            if not RESIZE(request) or process.poll() is not None:  # type: ignore[attr-defined]
                return Fault()
            kill_it = {when: process.kill}  # type: ignore[attr-defined]
            return Fault(before=kill_it.get("before"), after=kill_it.get("after"), cut=when)

        pair.place.proxy.rule = end
        began = time.monotonic()
        connection = fill(kernel)
        wait_until("the leader's death", process.poll, seconds=60)
        leader.process = None
        filled(kernel, connection, began)
        pair.place.proxy.reset()
        leader.start()


@pytest.mark.timeout(120 * ROUNDS + 240)
@pytest.mark.parametrize("end", [kill, stop], ids=["killed", "stopped"])
def test_nobody_leads_when_it_stands_still(pair: Pair, end: Callable[[OperatorProcess], None]) -> None:
    for _ in range(ROUNDS):
        kernel, leader = small(pair), pair.leader()
        end(leader)
        began = time.monotonic()
        filled(kernel, fill(kernel), began)
        wait_until("a takeover", lambda before=leader: pair.leader() is not before, seconds=TAKEOVER_SECONDS)
        leader.start()


@pytest.mark.timeout(120 * ROUNDS + 240)
def test_the_api_server_is_away_when_it_stands_still(pair: Pair) -> None:
    for _ in range(ROUNDS):
        kernel = small(pair)
        refused: list[Request] = []

        def away(request: Request, refused: list[Request] = refused) -> Fault:
            refused.extend([request] if RESIZE(request) else [])
            return Fault(cut="before")

        pair.place.proxy.rule = away
        began = time.monotonic()
        connection = fill(kernel)
        wait_until("a resize that is lost", lambda seen=refused: len(seen) > 0, seconds=60)
        pair.place.proxy.reset()
        filled(kernel, connection, began)
