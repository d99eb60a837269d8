"""Kernels that outlive their server: the next one of the same owner has them, and their sessions, under the old ids."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until
from kubernel_api.constants import ANNOTATION_JUPYTER, LABEL_OWNER

from .conftest import HostServer, Room, StartServer, messages_until, notebook, own_outputs, until_busy, value

pytestmark = pytest.mark.extension
OWNER = {"KUBERNEL_OWNER": "alice/default"}
KEEP = "--KubernelKernelManager.keep_kernels_on_shutdown=True"
SECONDS = 60.0


def with_a_variable(server: HostServer) -> dict[str, object]:
    """A notebook whose kernel has x = 42; its session."""
    with notebook(server) as (session, socket):
        assert value(socket, "x = 42; print(x)") == "42\n"
    return dict(session)


def pods(kubectl: Kubectl, namespace: str) -> list[str]:
    return [pod["metadata"]["uid"] for pod in kubectl.within(namespace).items("pods")]


def check(server: HostServer, session: dict[str, object]) -> None:
    """The session and its kernel are what they were, and the kernel can be driven."""
    (found,) = server.request("GET", "/sessions")
    kernel_id = found["kernel"]["id"]
    assert (found["id"], found["path"], kernel_id) == (session["id"], session["path"], session["kernel"]["id"])  # type: ignore[index]
    with server.kernel(kernel_id) as socket:
        assert value(socket, "print(x)") == "42\n"
        cell = until_busy(socket, "import time\nprint('busy', flush=True)\ntime.sleep(600)")
        server.request("POST", f"/kernels/{kernel_id}/interrupt")
        assert [output.get("ename") for output in socket.outputs(cell)] == ["KeyboardInterrupt"]
        socket.execute("import os; os._exit(3)")
        messages_until(socket, "restarting")
        socket.until_answered()
        server.request("POST", f"/kernels/{kernel_id}/restart")
        socket.until_answered()
    server.request("DELETE", f"/sessions/{found['id']}")
    assert server.request("GET", "/kernels") == []


def test_a_server_that_was_killed(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    first = start_server(env=OWNER)
    session = with_a_variable(first)
    before = pods(kubectl, namespace)
    first.stop(signal.SIGKILL)
    second = start_server(env=OWNER)
    assert pods(kubectl, namespace) == before
    check(second, session)
    assert kubectl.within(namespace).items("kernels") == []


def test_what_is_told_of_it(start_server: StartServer, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    """Whoever listens from the beginning, as a hub's log does, hears of each kernel, and of what becomes of it."""
    env = {**OWNER, "KUBERNEL_MEMORY": "300Mi"}
    first = start_server(env=env)
    session = with_a_variable(first)
    first.stop(signal.SIGKILL)
    told, config = tmp_path / "events.log", tmp_path / "with_events.py"
    config.write_text(f"import logging\nc.EventLogger.handlers = [logging.FileHandler({str(told)!r})]\n")
    second = start_server(f"--config={config}", env=env)
    kernel_id = str(session["kernel"]["id"])  # type: ignore[index]

    def until(phase: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            events = [json.loads(line) for line in told.read_text().splitlines()]
            return [event for event in events if (event.get("kernel_id"), event.get("phase")) == (kernel_id, phase)]

        (event,) = wait_until(phase, found, seconds=SECONDS)
        return dict(event)

    until("reattached")
    more = json.dumps({"spec": {"resources": {"limits": {"memory": "400Mi"}}}})
    kubectl.within(namespace)("patch", "kernel", f"k-{kernel_id}", "--type=merge", f"--patch={more}")
    assert until("resized")["resources"]["limits"]["memory"] == "400Mi"
    with second.kernel(kernel_id) as socket:
        socket.execute("import os; os._exit(3)")
        messages_until(socket, "restarting")
        socket.until_answered()
    died = until("died")
    assert "exit code 3" in died["message"]
    assert died["over"] is False
    second.request("DELETE", f"/sessions/{session['id']}")


def test_a_kernel_that_was_still_starting(start_server: StartServer, room: Room) -> None:
    """It is gone on with, and its page can connect before it is ready."""
    first = start_server(env=OWNER)
    session = first.start_session("python3")
    first.request("PATCH", f"/sessions/{session['id']}", {"path": "new.ipynb"})  # as JupyterLab does, at once
    room.until_refused()
    (kernel,) = room.kernels()
    wait_until("the name", lambda: "new.ipynb" in json.dumps(room.kernels()), seconds=SECONDS)
    first.stop(signal.SIGKILL)
    second = start_server(env=OWNER)
    (found,) = second.request("GET", "/sessions")
    assert (found["id"], found["kernel"]["id"]) == (session["id"], session["kernel"]["id"])
    assert found["path"] == "new.ipynb"
    assert found["kernel"]["execution_state"] == "starting"
    with second.kernel(found["kernel"]["id"]) as socket:
        cell = socket.execute("print(6 * 7)")
        room.make()
        assert [output["text"] for output in own_outputs(socket, cell)] == ["42\n"]
    assert [each["metadata"]["uid"] for each in room.kernels()] == [kernel["metadata"]["uid"]]
    second.request("DELETE", f"/sessions/{found['id']}")


def test_a_server_that_was_stopped(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    """It keeps its kernels where it is told to; a renamed notebook has its new name."""
    first = start_server(KEEP, env=OWNER)
    session = with_a_variable(first)
    renamed = first.request("PATCH", f"/sessions/{session['id']}", {"path": "new.ipynb", "name": "new.ipynb"})
    here = kubectl.within(namespace)

    def is_noted() -> bool:
        (kernel,) = here.items("kernels")
        return bool(json.loads(kernel["metadata"]["annotations"][ANNOTATION_JUPYTER])["session"]["path"] == "new.ipynb")

    wait_until("the new name", is_noted, seconds=SECONDS)
    assert first.stop(signal.SIGTERM) == 0
    (kernel,) = here.items("kernels")
    assert kernel["spec"]["owner"] == OWNER["KUBERNEL_OWNER"]
    assert len(kernel["metadata"]["labels"][LABEL_OWNER]) == 32  # a slash is no label value
    check(start_server(KEEP, env=OWNER), {**session, "path": renamed["path"]})


def test_somebody_else(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    """Kernels of another owner stay what they are; and a server that was taken its kernels lets go of them."""
    first = start_server(env=OWNER)
    session = with_a_variable(first)
    other = start_server(env={"KUBERNEL_OWNER": "bob/default"})
    assert other.request("GET", "/kernels") == []
    second = start_server(env=OWNER)
    kernel_id = session["kernel"]["id"]  # type: ignore[index]
    with second.kernel(kernel_id) as socket:
        assert value(socket, "print(x)") == "42\n"
    wait_until("the first to let go", lambda: first.request("GET", "/kernels") == [], seconds=SECONDS)
    assert "Traceback" not in first.log.read_text()
    assert [kernel["metadata"]["name"] for kernel in kubectl.within(namespace).items("kernels")] == [f"k-{kernel_id}"]
    with second.kernel(kernel_id) as socket:
        assert value(socket, "print(x)") == "42\n"
    second.request("DELETE", f"/sessions/{session['id']}")
