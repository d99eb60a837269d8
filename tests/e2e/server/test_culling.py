"""Kernels that others end: culled by the server or the operator, or deleted by hand."""

import pytest

from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from .conftest import HostServer, StartServer, until_busy, until_told

CULL = ("--MappingKernelManager.cull_idle_timeout=3", "--MappingKernelManager.cull_interval=1")


@pytest.fixture
def server(start_server: StartServer) -> HostServer:
    """A server that culls kernels after three idle seconds, even those in use."""
    return start_server(*CULL, "--MappingKernelManager.cull_connected=True")


def test_an_idle_kernel(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    server.start_kernel()
    wait_until("the cull", lambda: server.request("GET", "/kernels") == [], seconds=60)
    assert kubectl.within(namespace).items("kernels") == []


def test_a_busy_kernel(server: HostServer) -> None:
    """It is not idle, though it says nothing for longer than the timeout."""
    kernel_id = server.start_kernel()
    with server.kernel(kernel_id) as socket:
        cell = until_busy(socket, "print('on', flush=True)\nimport time; time.sleep(8)\nprint('end')")
        assert [output["text"] for output in socket.outputs(cell)] == ["end\n"]
    wait_until("the cull", lambda: server.request("GET", "/kernels") == [], seconds=60)


def test_after_a_restart(server: HostServer) -> None:
    """The server still hears the kernel: a busy one stays, an idle one goes."""
    kernel_id = server.start_kernel()
    with server.kernel(kernel_id) as socket:
        server.request("POST", f"/kernels/{kernel_id}/restart")
        socket.until_answered()
        cell = until_busy(socket, "print('on', flush=True)\nimport time; time.sleep(8)\nprint('end')")
        assert [output["text"] for output in socket.outputs(cell)] == ["end\n"]
    wait_until("the cull", lambda: server.request("GET", "/kernels") == [], seconds=60)


def test_by_the_operator_for_being_idle(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    """The server's own connections, for its activity and for shutdowns, are nobody's work."""
    server = start_server(env={"KUBERNEL_IDLE_TIMEOUT_SECONDS": "5"})
    used = server.start_kernel()
    with server.kernel(used) as socket:
        socket.until_answered()
        server.start_kernel()
        wait_until("the end of the other", lambda: len(server.request("GET", "/kernels")) == 1, seconds=60)
        socket.until_answered()
        assert [kernel["metadata"]["name"] for kernel in kubectl.within(namespace).items("kernels")] == [f"k-{used}"]


def test_by_the_operator(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    """The restarter does not bring back what was ended on purpose; the server and its notebooks let go of it."""
    server = start_server(env={"KUBERNEL_ACTIVE_DEADLINE_SECONDS": "3"})
    kernel_id = server.start_kernel()
    with server.kernel(kernel_id) as socket:
        wait_until("the end", lambda: server.request("GET", "/kernels") == [], seconds=60)
        until_told(socket, "dead")
    wait_until("no kernels", lambda: kubectl.within(namespace).items("kernels") == [], seconds=10)


def test_by_hand(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    """Whoever deletes a kernel wants it gone: it does not come back, and its notebook is told."""
    kernel_id = server.start_kernel()
    with server.kernel(kernel_id) as socket:
        socket.until_answered()
        kubectl.within(namespace)("delete", "kernel", f"k-{kernel_id}")
        until_told(socket, "dead")
    assert server.request("GET", "/kernels") == []
    assert kubectl.within(namespace).items("kernels") == []
