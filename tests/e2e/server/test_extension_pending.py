"""While kernels are pending the page can do all it wants, and what it sends runs later."""

import contextlib
import json
import sys

import pytest
from websockets.sync.client import connect

from fixtures.jupyter_server import KernelSocket, ServerError
from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from .conftest import HostServer, Room, StartServer, messages_until, notebook, own_outputs, until_busy, value

pytestmark = pytest.mark.extension
SEVEN = 7  # a browser holds six connections to a server open
FAILING = {"KUBERNEL_ARGV": '["python3", "-m", "no_such_kernel"]'}


def test_what_runs_later(server: HostServer, room: Room) -> None:
    """Run All while pending: in order, when the kernel is there."""
    with notebook(server) as (session, socket):
        assert session["kernel"]["execution_state"] == "starting"
        first, second = socket.execute("x = 6; print(x)"), socket.execute("print(x * 7)")
        room.until_refused()
        room.make()
        texts = [next(own_outputs(socket, cell))["text"] for cell in (first, second)]
        assert texts == ["6\n", "42\n"]
        assert server.state(session["kernel"]["id"]) in {"idle", "busy"}
    server.request("DELETE", f"/sessions/{session['id']}")


def test_what_a_page_has_sent_runs_without_it(server: HostServer, room: Room) -> None:
    """A page that was closed, or reloaded: its cells run first, in order; one whose network was away is answered."""
    session = server.start_session("python3")
    kernel_id = session["kernel"]["id"]
    with server.kernel(kernel_id, "closed") as page:
        page.execute("x = 6")
        page.execute("x *= 7")
        room.until_refused()
    with server.kernel(kernel_id, "away") as page:
        cell = page.execute("print(x)")
        messages_until(page, "starting")
    with server.kernel(kernel_id, "away") as page, server.kernel(kernel_id, "reloaded") as other:
        room.make()
        assert [output["text"] for output in own_outputs(page, cell)] == ["42\n"]
        assert value(other, "print(x)") == "42\n"
        assert server.request("GET", f"/kernels/{kernel_id}")["connections"] == 2
    server.request("DELETE", f"/sessions/{session['id']}")


def test_pages_run_in_the_order_in_which_they_were_used(server: HostServer, room: Room) -> None:
    """Not in that in which they were opened; both are there all the time."""
    session = server.start_session("python3")
    kernel_id = session["kernel"]["id"]
    with server.kernel(kernel_id, "opened-first") as page, server.kernel(kernel_id, "used-first") as other:
        messages_until(page, "starting")
        messages_until(other, "starting")
        other.execute("x = 6")
        other.execute("x *= 7")
        room.until_refused()
        until_shown(other)
        cell = page.execute("print(x)")
        until_shown(page)
        room.make()
        assert [output["text"] for output in own_outputs(page, cell)] == ["42\n"]
    server.request("DELETE", f"/sessions/{session['id']}")


def until_shown(page: KernelSocket) -> None:
    """Waits until a cell of the page shows what its kernel waits for: the server has it."""
    while json.loads(page.socket.recv(timeout=30))["msg_type"] != "display_data":
        pass


def test_seven_pending_notebooks(server: HostServer, room: Room, local_kernelspec: object) -> None:
    """They hold nothing up: not a save, not a terminal, not another kernel."""
    local = local_kernelspec("local", [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"])
    sessions = [server.request("POST", "/sessions", session_of(f"{number}.ipynb")) for number in range(SEVEN)]
    room.until_refused(SEVEN)
    with contextlib.ExitStack() as pages:
        for session in sessions:
            pages.enter_context(server.kernel(session["kernel"]["id"], f"page-{session['path']}"))
        server.request("PUT", "/contents/a.txt", {"type": "file", "format": "text", "content": "saved"})
        terminal = server.request("POST", "/terminals")
        pages.enter_context(connect(f"ws://{server.host}/terminals/websocket/{terminal['name']}?token={server.token}"))
        with notebook(server, local, "local.ipynb") as (_, socket):
            assert value(socket, "print(6 * 7)") == "42\n"
        states = [kernel["execution_state"] for kernel in server.request("GET", "/kernels")]
        assert states.count("starting") == SEVEN
    for session in sessions:
        server.request("DELETE", f"/sessions/{session['id']}")
    wait_until("no KernelInstances", lambda: room.kernels() == [], seconds=30)


def session_of(path: str, kernel: str = "python3") -> dict[str, object]:
    return {"path": path, "name": path, "type": "notebook", "kernel": {"name": kernel}}


def test_a_start_that_fails(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    """The kernel is dead and says why; its session and its page's connection stay, for another try."""
    server = start_server(env=FAILING)
    with notebook(server) as (session, socket):
        messages_until(socket, "unknown")
        kernel_id = session["kernel"]["id"]
        (model,) = server.request("GET", "/kernels")
        assert (model["id"], model["execution_state"]) == (kernel_id, "dead")
        assert "No module named no_such_kernel" in model["reason"]
        assert server.request("GET", f"/sessions/{session['id']}")["kernel"]["reason"] == model["reason"]
        wait_until("no kernels", lambda: kubectl.within(namespace).items("kernels") == [], seconds=30)
        assert "Traceback" not in server.log.read_text()
        (error,) = socket.outputs(socket.execute("1"))
        assert "No module named no_such_kernel" in "\n".join(error["traceback"])
    server.request("DELETE", f"/sessions/{session['id']}")
    assert (server.request("GET", "/kernels"), server.request("GET", "/sessions")) == ([], [])


def test_another_try(start_server: StartServer, room: Room) -> None:
    """To run a cell is one, and so is a restart from the menu."""
    server = start_server(env={"KUBERNEL_START_DEADLINE_SECONDS": "3"})
    with notebook(server) as (one, socket), notebook(server, path="other.ipynb") as (two, other):
        messages_until(socket, "unknown")
        messages_until(other, "unknown")
        room.make()
        assert value(socket, "print(6 * 7)") == "42\n"
        server.request("POST", f"/kernels/{two['kernel']['id']}/restart")
        with server.kernel(two["kernel"]["id"]) as again:
            assert value(again, "print(6 * 7)") == "42\n"
    for session in (one, two):
        server.request("DELETE", f"/sessions/{session['id']}")


def test_a_kernel_of_another_provisioner(server: HostServer, local_kernelspec: object) -> None:
    """Its start is waited for, and one that fails leaves neither kernel nor session, as without the extension."""
    broken = local_kernelspec("broken", ["/no/such/program", "{connection_file}"])
    with pytest.raises(ServerError, match="no/such/program") as caught:
        server.start_session(broken)
    assert caught.value.status == 500
    assert (server.request("GET", "/kernels"), server.request("GET", "/sessions")) == ([], [])


# Cancelling.


def test_shutting_down(server: HostServer, room: Room) -> None:
    with notebook(server) as (session, socket):
        room.until_refused()
        server.request("DELETE", f"/sessions/{session['id']}")
        messages_until(socket, "dead")
    assert (server.request("GET", "/kernels"), server.request("GET", "/sessions")) == ([], [])
    wait_until("no KernelInstance", lambda: room.kernels() == [], seconds=30)


def test_another_request_for_the_same_notebook(server: HostServer, room: Room) -> None:
    """A page that was reloaded, or opened twice, gets the kernel that is on its way."""
    first = server.start_session("python3")
    room.until_refused()
    again = server.start_session("python3")
    assert (again["id"], again["kernel"]["id"]) == (first["id"], first["kernel"]["id"])
    assert len(room.kernels()) == 1
    server.request("DELETE", f"/sessions/{first['id']}")


def test_changing_the_kernel(server: HostServer, room: Room, local_kernelspec: object) -> None:
    """The start that was under way is cancelled, and nothing that comes of it reaches the notebook."""
    local = local_kernelspec("local", [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"])
    session = server.start_session("python3")
    room.until_refused()
    changed = server.request("PATCH", f"/sessions/{session['id']}", {"kernel": {"name": local}})
    wait_until("no KernelInstance", lambda: room.kernels() == [], seconds=30)
    with server.kernel(changed["kernel"]["id"]) as socket:
        assert value(socket, "print(6 * 7)") == "42\n"
    (after,) = server.request("GET", "/sessions")
    assert after["kernel"]["id"] == changed["kernel"]["id"]
    assert [kernel["id"] for kernel in server.request("GET", "/kernels")] == [changed["kernel"]["id"]]
    server.request("DELETE", f"/sessions/{session['id']}")


# What a waiting cell shows.


def test_progress_in_the_waiting_cell(server: HostServer, room: Room) -> None:
    """The first one shows it, and when the kernel is there it is gone."""
    is_full = True
    with notebook(server) as (session, socket):
        messages = []
        for message in socket.messages(socket.execute("print(6 * 7)")):
            messages.append(message)
            if message["msg_type"] == "update_display_data" and is_full:
                text = message["content"]["data"]["text/plain"]
                if "exceeded quota" in text:
                    assert text.startswith("Kernel is starting, 0:")
                    room.make()
                    is_full = False
        kinds = [each["msg_type"] for each in messages]
        assert kinds[0] == "display_data"
        assert "update_display_data" in kinds
        rest = kinds[kinds.index("clear_output") :]
        assert "display_data" not in rest
        assert [each["content"]["text"] for each in messages if each["msg_type"] == "stream"] == ["42\n"]
    server.request("DELETE", f"/sessions/{session['id']}")


def test_a_start_that_fails_in_the_waiting_cell(start_server: StartServer, room: Room) -> None:
    server = start_server(env={"KUBERNEL_START_DEADLINE_SECONDS": "3"})
    with notebook(server) as (session, socket):
        first, second = socket.execute("1"), socket.execute("2")
        messages = messages_until(socket, "unknown")
        (error,) = [each for each in messages if each["msg_type"] == "error"]
        replies = [each for each in messages if each["msg_type"] == "execute_reply"]
        assert error["parent_header"]["msg_id"] == first
        assert "exceeded quota" in " ".join(error["content"]["traceback"])
        assert [(each["parent_header"]["msg_id"], each["content"]["status"]) for each in replies] == [
            (first, "error"),
            (second, "aborted"),
        ]
    server.request("DELETE", f"/sessions/{session['id']}")


def test_what_a_waiting_cell_shows_is_not_saved(server: HostServer) -> None:
    output = {"output_type": "display_data", "data": {"text/plain": "Kernel is starting"}}
    outputs = [{**output, "metadata": {"kubernel_transient": True}}, {**output, "metadata": {}}]
    cell = {"cell_type": "code", "id": "a", "execution_count": None, "source": "1", "metadata": {}, "outputs": outputs}
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    server.request("PUT", "/contents/a.ipynb", {"type": "notebook", "content": content})
    (saved,) = server.request("GET", "/contents/a.ipynb?content=1")["content"]["cells"]
    assert saved["outputs"] == [{**output, "metadata": {}}]


# Why a kernel has died.


def test_a_crash(server: HostServer) -> None:
    """The cell is told the cause before the page is told of the restart."""
    with notebook(server) as (session, socket):
        cell = socket.execute("import os; os._exit(3)")
        messages = messages_until(socket, "restarting")
        (error,) = [each for each in messages if each["msg_type"] == "error"]
        assert error["parent_header"]["msg_id"] == cell
        assert "exit code 3" in " ".join(error["content"]["traceback"])
        assert "exit code 3" in server.request("GET", f"/kernels/{session['kernel']['id']}")["reason"]
        socket.until_answered()
    server.request("DELETE", f"/sessions/{session['id']}")


def test_a_deleted_kernel_is_not_said_to_restart(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    with notebook(server) as (session, socket):
        cell = until_busy(socket, "import time; print('on', flush=True); time.sleep(600)")
        kubectl.within(namespace)("delete", "kernel", f"k-{session['kernel']['id']}")
        messages = messages_until(socket, "dead")
        (error,) = [each for each in messages if each["msg_type"] == "error"]
        assert error["parent_header"]["msg_id"] == cell
        assert error["content"]["ename"] == "KernelDied"
        states = [each["content"].get("execution_state") for each in messages]
        assert "restarting" not in states
