"""The last output of a kernel that crashes: in its cell, and nowhere else."""

import json

import pytest
from websockets.sync.client import connect

from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from .conftest import StartServer, messages_until, notebook

pytestmark = pytest.mark.extension
#: Outside of cells, as far as a kernel's own output is concerned.
SAID = "Rumpelstiltskin"
SAY = f"import os; os.system('echo {SAID} >&2')"
# A supervisor learns up to 0.05 s later, on a busy machine when it has a turn, that a kernel is initialised. What was
# printed before that is of its start.
SETTLE = "import time; time.sleep(2)"
REPLY_SECONDS = 60.0


def test_it_is_in_the_cell_and_nowhere_else(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    server, here = start_server(), kubectl.within(namespace)
    with (
        connect(f"ws://{server.host}/api/events/subscribe?token={server.token}") as listener,
        notebook(server) as (session, socket),
    ):
        list(socket.messages(socket.execute(SETTLE)))
        list(socket.messages(socket.execute(SAY)))
        cell = socket.execute("os._exit(3)")
        told = messages_until(socket, "restarting")
        (error,) = [message["content"] for message in told if message["msg_type"] == "error"]
        assert [message["parent_header"]["msg_id"] for message in told if message["msg_type"] == "error"] == [cell]
        assert error["traceback"][0].startswith("The kernel ended with exit code 3")
        place = error["traceback"].index("Its last output:")
        assert error["traceback"][place + 1] == SAID
        event = {}
        while event.get("phase") != "died":
            event = json.loads(listener.recv(timeout=REPLY_SECONDS))
            assert SAID not in json.dumps(event)
        reason = server.request("GET", f"/kernels/{session['kernel']['id']}")["reason"]
        assert "exit code 3" in reason
        assert SAID not in reason
        assert SAID not in json.dumps([*here.items("kernels"), *here.items("events"), *here.items("pods")])
        assert SAID not in server.log.read_text()
        socket.until_answered()
    server.request("DELETE", f"/sessions/{session['id']}")


def test_of_a_kernel_that_is_not_restarted_any_more(
    start_server: StartServer, kubectl: Kubectl, namespace: str
) -> None:
    """The restarter gives up a kernel that dies again and again; nothing of that one is left, either."""
    server, here = start_server("--KernelRestarter.restart_limit=0"), kubectl.within(namespace)
    with notebook(server) as (_, socket):
        list(socket.messages(socket.execute(SETTLE)))
        list(socket.messages(socket.execute(SAY)))
        cell = socket.execute("os._exit(3)")
        told = messages_until(socket, "dead")
        (error,) = [message for message in told if message["msg_type"] == "error"]
        assert error["parent_header"]["msg_id"] == cell
        assert SAID in error["content"]["traceback"]
    wait_until("no KernelInstance", lambda: here.items("kernels") == [], seconds=REPLY_SECONDS)
