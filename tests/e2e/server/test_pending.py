"""Pending kernels: the server answers at once and the kernel starts behind its back."""

import pytest
from websockets.exceptions import InvalidStatus

from fixtures.jupyter_server import ServerError
from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from .conftest import HostServer, StartServer, value

PENDING = "--MappingKernelManager.use_pending_kernels=True"
NOWHERE = {"KUBERNEL_NODE_SELECTOR": "no-such-label=true"}


def test_a_start(start_server: StartServer) -> None:
    server = start_server(PENDING)
    session = server.start_session("python3")
    kernel_id = session["kernel"]["id"]
    assert session["kernel"]["execution_state"] == "starting"
    with server.kernel(kernel_id) as socket:  # waits until the kernel runs
        assert value(socket, "print(1)") == "1\n"
    server.request("DELETE", f"/sessions/{session['id']}")


def reason_of(server: HostServer, kernel_id: str) -> str:
    """Why a kernel did not start, as soon as somebody has tried to connect to it."""
    with pytest.raises(InvalidStatus, match="500"), server.kernel(kernel_id):
        pass
    model = server.request("GET", f"/kernels/{kernel_id}")
    assert model["execution_state"] == "dead"
    return str(model["reason"])


def test_a_start_that_fails(start_server: StartServer, namespace: str, kubectl: Kubectl) -> None:
    server = start_server(PENDING, env={"KUBERNEL_ARGV": '["python3", "-m", "no_such_kernel"]'})
    kernel_id = server.start_kernel()
    lines = reason_of(server, kernel_id).splitlines()
    assert lines[0] == "The kernel ended with exit code 1 (KernelCrashed)."
    assert lines[2].endswith("No module named no_such_kernel")
    assert f"More: kubernel events k-{kernel_id} -n {namespace}" in "\n".join(lines)
    wait_until("no kernels", lambda: kubectl.within(namespace).items("kernels") == [], seconds=30)
    server.request("DELETE", f"/kernels/{kernel_id}")
    assert server.request("GET", "/kernels") == []


def test_a_start_that_waits_until_its_deadline(start_server: StartServer, namespace: str, kubectl: Kubectl) -> None:
    """No node for it: the deadline ends the wait, and the message still says what it waited for.

    One that is shut down while it starts ends no later, and leaves nothing either.
    """
    server = start_server(PENDING, env={**NOWHERE, "KUBERNEL_START_DEADLINE_SECONDS": "5"})
    kernel_id, unwanted = server.start_kernel(), server.start_kernel()
    assert server.state(kernel_id) == "starting"
    for action in ("restart", "interrupt"):
        with pytest.raises(ServerError):
            server.request("POST", f"/kernels/{kernel_id}/{action}")
    server.request("DELETE", f"/kernels/{unwanted}")
    wait_until("its end", lambda: len(server.request("GET", "/kernels")) == 1, seconds=30)
    reason = reason_of(server, kernel_id)
    assert reason.startswith("The pod cannot be scheduled: 0/")
    assert "(StartTimeout, Unschedulable)" in reason
    assert "didn't match Pod's node affinity/selector" in " ".join(reason.split())
    wait_until("no kernels", lambda: kubectl.within(namespace).items("kernels") == [], seconds=30)
