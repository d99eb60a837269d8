"""What a listener to the server's events hears of a kernel, and that a kernel without a page is idle."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from .conftest import HostServer, Room, StartServer, notebook, value

pytestmark = pytest.mark.extension
SCHEMA_ID = "https://kubernel.dev/events/kernel/v1"
REPLY_SECONDS = 60.0


def phases(socket: Any) -> Iterator[dict[str, Any]]:
    while True:
        event = json.loads(socket.recv(timeout=REPLY_SECONDS))
        if event["schema_id"] == SCHEMA_ID:
            yield event


def test_events(start_server: StartServer, room: Room) -> None:
    server = start_server(env={"KUBERNEL_MEMORY": "300Mi"})
    with connect(f"ws://{server.host}/api/events/subscribe?token={server.token}") as listener:
        heard = phases(listener)
        with notebook(server) as (session, socket):
            waiting = next(event for event in heard if event.get("reason") == "QuotaExceeded")
            assert waiting["phase"] == "waiting"
            assert "exceeded quota" in waiting["message"]
            room.make()
            ready = next(event for event in heard if event["phase"] != "waiting")
            assert (ready["phase"], ready["kernel_id"]) == ("ready", session["kernel"]["id"])
            more = json.dumps({"spec": {"resources": {"limits": {"memory": "400Mi"}}}})
            room.here("patch", "kernel", f"k-{session['kernel']['id']}", "--type=merge", f"--patch={more}")
            resized = next(heard)
            assert (resized["phase"], resized["resources"]["limits"]["memory"]) == ("resized", "400Mi")
            socket.execute("import os; os._exit(3)")
            died = next(heard)
            assert died["phase"] == "died"
            assert "exit code 3" in died["message"]
            socket.until_answered()
        server.request("DELETE", f"/sessions/{session['id']}")


def test_a_start_that_fails(start_server: StartServer, room: Room) -> None:
    server = start_server(env={"KUBERNEL_START_DEADLINE_SECONDS": "3"})
    with connect(f"ws://{server.host}/api/events/subscribe?token={server.token}") as listener:
        heard = phases(listener)
        session = server.start_session("python3")
        failed = next(event for event in heard if event["phase"] != "waiting")
        assert (failed["phase"], failed["kernel_id"]) == ("failed", session["kernel"]["id"])
        assert "exceeded quota" in failed["message"].splitlines()[0]
    server.request("DELETE", f"/sessions/{session['id']}")


def test_a_page_that_is_back(server: HostServer) -> None:
    """The server has let go of one channel meanwhile, and the page cannot tell."""
    session = server.start_session("python3")
    kernel_id = session["kernel"]["id"]
    with server.kernel(kernel_id, "tab") as socket:
        assert value(socket, "x = 42; print(x)") == "42\n"
    wait_until("no page", lambda: server.request("GET", f"/kernels/{kernel_id}")["connections"] == 0, seconds=30)
    with server.kernel(kernel_id, "tab") as socket:
        assert value(socket, "print(x)") == "42\n"
    server.request("DELETE", f"/sessions/{session['id']}")


def test_idle_without_a_page(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    """What the server keeps for a page that may come back is no client."""
    server = start_server(env={"KUBERNEL_IDLE_TIMEOUT_SECONDS": "5"})
    with notebook(server) as (_, socket):
        assert value(socket, "print(6 * 7)") == "42\n"
    wait_until("its end", lambda: server.request("GET", "/kernels") == [], seconds=90)
    wait_until("no KernelInstance", lambda: kubectl.within(namespace).items("kernels") == [], seconds=30)
