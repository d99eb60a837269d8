"""A kernel that dies again as soon as it is restarted: nobody is told that it comes back, and everybody why not."""

import json

import pytest
from websockets.sync.client import connect

from fixtures.jupyter_server import ServerError
from fixtures.kubectl import Kubectl, Object
from fixtures.waiting import wait_until

from .conftest import HostServer, messages_until, notebook, value

pytestmark = pytest.mark.extension
#: From now on the kernel's module is another one, as after a bad ``pip install``.
SPOIL = "open('ipykernel_launcher.py', 'w').write('import sys; sys.exit(\\'The licence has expired\\')')"
REPLY_SECONDS = 60.0


def states(messages: list[Object]) -> list[str]:
    """What the server says of the kernel itself."""
    mine = [message for message in messages if message["msg_type"] == "status" and not message["parent_header"]]
    return [message["content"]["execution_state"] for message in mine]


def died(listener: object) -> Object:
    """The next event of that kind."""
    event: Object = {}
    while event.get("phase") != "died":
        event = json.loads(listener.recv(timeout=REPLY_SECONDS))  # type: ignore[attr-defined]
    return event


def test_a_crash_whose_restart_fails(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    with (
        connect(f"ws://{server.host}/api/events/subscribe?token={server.token}") as listener,
        notebook(server) as (_, socket),
    ):
        value(socket, SPOIL)
        cell = socket.execute("import os; os._exit(3)")
        told = messages_until(socket, "dead")
        assert "restarting" not in states(told)
        errors = [message for message in told if message["msg_type"] == "error"]
        assert [error["parent_header"]["msg_id"] for error in errors] == [cell, cell]
        first, second = (error["content"]["traceback"] for error in errors)
        assert first[0].startswith("The kernel ended with exit code 3")
        assert second[0] == "It was restarted, and does not come back:"
        assert "The licence has expired" in second
        (reply,) = [message for message in told if message["msg_type"] == "execute_reply"][-1:]
        assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (cell, "error")
        restarting, over = died(listener), died(listener)
        assert (restarting["over"], "exit code 3" in restarting["message"]) == (False, True)
        assert (over["over"], "The licence has expired" in over["message"]) == (True, True)
    wait_until("no kernel", lambda: server.request("GET", "/kernels") == [], seconds=REPLY_SECONDS)
    wait_until("no KernelInstance", lambda: kubectl.within(namespace).items("kernels") == [], seconds=REPLY_SECONDS)


def test_a_restart_that_somebody_asked_for_and_that_fails(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    with (
        connect(f"ws://{server.host}/api/events/subscribe?token={server.token}") as listener,
        notebook(server) as (session, socket),
    ):
        value(socket, SPOIL)
        with pytest.raises(ServerError):
            server.request("POST", f"/kernels/{session['kernel']['id']}/restart")
        assert states(messages_until(socket, "dead"))[-1:] == ["dead"]
        over = died(listener)
        assert (over["over"], "The licence has expired" in over["message"]) == (True, True)
    wait_until("no KernelInstance", lambda: kubectl.within(namespace).items("kernels") == [], seconds=REPLY_SECONDS)
