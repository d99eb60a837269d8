"""Restarts under an open notebook: the websocket, the address and the server's view of activity stay."""

from concurrent.futures import ThreadPoolExecutor

from fixtures.jupyter_server import KernelSocket, ServerError
from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from .conftest import HostServer, new_kernel, until_busy, until_told, value


def restart(server: HostServer, kernel_id: str) -> int:
    """Restarts a kernel over REST; the HTTP status."""
    try:
        server.request("POST", f"/kernels/{kernel_id}/restart")
    except ServerError as error:
        return error.status
    return 200


def assert_activity_is_seen(server: HostServer, kernel_id: str, socket: KernelSocket) -> None:
    """The server's culler lives on this. Its connection comes back as the notebook's own do, each at its time."""

    def last_activity() -> str:
        return str(server.request("GET", f"/kernels/{kernel_id}")["last_activity"])

    def is_heard(before: str = last_activity()) -> bool:
        value(socket, "print(1)")
        return last_activity() > before

    wait_until("the server hears the kernel", is_heard, seconds=60)
    cell = until_busy(socket, "print('on', flush=True)\nimport time; time.sleep(600)")
    wait_until("busy", lambda: server.state(kernel_id) == "busy", seconds=30)
    server.request("POST", f"/kernels/{kernel_id}/interrupt")
    list(socket.outputs(cell))
    wait_until("idle", lambda: server.state(kernel_id) == "idle", seconds=30)


def test_a_restart(server: HostServer) -> None:
    """Also a tab that was away meanwhile, and is known, and a new one get on."""
    with new_kernel(server) as (kernel_id, socket):
        before = server.connection_info(kernel_id)
        with server.kernel(kernel_id, "tab") as tab:
            assert value(tab, "x = 1; print(x)") == "1\n"
        assert restart(server, kernel_id) == 200
        socket.until_answered()
        assert value(socket, "print('x' in globals())") == "False\n"
        for session in ("tab", "another"):
            with server.kernel(kernel_id, session) as tab:
                assert value(tab, "print(1)") == "1\n"
        assert server.connection_info(kernel_id) == before
        assert_activity_is_seen(server, kernel_id, socket)


def test_many_restarts(server: HostServer) -> None:
    with new_kernel(server) as (kernel_id, socket):
        for n in range(3):
            assert restart(server, kernel_id) == 200
            socket.until_answered()
            assert value(socket, f"print({n})") == f"{n}\n"


def test_a_crash(server: HostServer) -> None:
    """The server's restarter starts it again; whoever has the notebook open goes on in it."""
    with new_kernel(server) as (kernel_id, socket):
        before = server.connection_info(kernel_id)
        socket.execute("import os; os._exit(1)")
        until_told(socket, "restarting")
        socket.until_answered()
        assert value(socket, "print('back')") == "back\n"
        assert server.connection_info(kernel_id) == before
        assert_activity_is_seen(server, kernel_id, socket)


def test_two_restarts_at_once(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    """Two tabs. jupyter_server may refuse one of them; there is one kernel, and it works in both."""
    with new_kernel(server) as (kernel_id, socket), server.kernel(kernel_id) as other:
        with ThreadPoolExecutor(2) as pool:
            codes = sorted(pool.map(lambda _: restart(server, kernel_id), range(2)))
        assert codes in ([200, 200], [200, 500])
        socket.until_answered()
        other.until_answered()
        assert value(socket, "print(1)") == "1\n"
        assert value(other, "print(2)") == "2\n"
        assert len(kubectl.within(namespace).items("kernels")) == 1
        assert_activity_is_seen(server, kernel_id, socket)


def test_a_pod_that_is_replaced(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    """The Service keeps the address, so the kernel in the next pod answers in the open notebook."""
    with new_kernel(server) as (kernel_id, socket):
        before = server.connection_info(kernel_id)
        assert value(socket, "print(1)") == "1\n"
        kubectl.within(namespace)("delete", "pod", f"k-{kernel_id}-1", "--grace-period=1", "--wait=false")
        until_told(socket, "restarting")
        socket.until_answered()
        assert value(socket, "import socket; print(socket.gethostname())") == f"k-{kernel_id}-2\n"
        assert server.connection_info(kernel_id) == before
        assert_activity_is_seen(server, kernel_id, socket)


def test_a_renamed_notebook(server: HostServer) -> None:
    """As in a local kernel, the restarted one knows its new name."""
    session = server.start_session("python3")
    kernel_id = session["kernel"]["id"]
    renamed = {"path": "renamed.ipynb", "name": "renamed.ipynb", "type": "notebook"}
    server.request("PATCH", f"/sessions/{session['id']}", renamed)
    assert restart(server, kernel_id) == 200
    with server.kernel(kernel_id) as socket:
        name = value(socket, "import os; print(os.path.basename(os.environ['JPY_SESSION_NAME']))")
    server.request("DELETE", f"/sessions/{session['id']}")
    assert name == "renamed.ipynb\n"
