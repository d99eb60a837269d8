"""Kernels and sessions over jupyter_server's REST API."""

import urllib.parse
from pathlib import Path

import pytest

from fixtures.jupyter_server import ServerError
from fixtures.kubectl import Kubectl
from kubernel_api.constants import ANNOTATION_SESSION

from .conftest import HostServer, StartServer, until_busy, value


def test_a_kernel(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    kernel_id = server.start_kernel()
    assert [kernel["id"] for kernel in server.request("GET", "/kernels")] == [kernel_id]
    (instance,) = kubectl.within(namespace).items("kernels")
    assert instance["metadata"]["name"] == f"k-{kernel_id}"
    server.request("DELETE", f"/kernels/{kernel_id}")
    assert server.request("GET", "/kernels") == []
    assert kubectl.within(namespace).items("kernels") == []


def test_a_session(server: HostServer, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    """The kernel's environment has the notebook's path and nothing of the server's."""
    session = server.start_session("python3")
    (instance,) = kubectl.within(namespace).items("kernels")
    path = str(tmp_path / "journey.ipynb")
    assert instance["spec"]["env"] == [{"name": "JPY_SESSION_NAME", "value": path}]
    assert instance["metadata"]["annotations"] == {ANNOTATION_SESSION: path}
    server.request("DELETE", f"/sessions/{session['id']}")
    assert (server.request("GET", "/sessions"), server.request("GET", "/kernels")) == ([], [])


def test_interrupt(server: HostServer) -> None:
    kernel_id = server.start_kernel()
    with server.kernel(kernel_id) as socket:
        cell = until_busy(socket, "import time\nprint('busy', flush=True)\ntime.sleep(600)")
        server.request("POST", f"/kernels/{kernel_id}/interrupt")
        assert [output.get("ename") for output in socket.outputs(cell)] == ["KeyboardInterrupt"]
        assert value(socket, "print(1)") == "1\n"


@pytest.mark.parametrize(
    "kernel_id",
    [
        pytest.param("11111111-2222-3333-4444-555555555555", id="uuid"),
        pytest.param("My_Kernel-A-B-C-D", id="capitals and underscores"),
        pytest.param("a-b-c-d-" + "e" * 200, id="200 characters"),
        pytest.param("_-_-_-_-_", id="no letter at all"),
    ],
)
def test_a_kernel_id_that_the_client_has_chosen(server: HostServer, kernel_id: str) -> None:
    """Whatever the server can address at all; only some of these are Kubernetes names."""
    assert server.start_kernel(kernel_id=kernel_id) == kernel_id
    quoted = urllib.parse.quote(kernel_id)
    server.request("POST", f"/kernels/{quoted}/restart")
    with server.kernel(quoted) as socket:
        assert value(socket, "print(6 * 7)") == "42\n"
    server.request("DELETE", f"/kernels/{quoted}")


def test_one_id_after_the_other(server: HostServer) -> None:
    """The children of the first kernel may still hold their names."""
    kernel_id = "11111111-2222-3333-4444-555555555555"
    for _ in range(2):
        server.start_kernel(kernel_id=kernel_id)
        server.request("DELETE", f"/kernels/{kernel_id}")


def test_resolve_path(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(env={"KUBERNEL_PATH_MAP": f"{tmp_path}=/data"})
    kernel_id = server.start_kernel()
    query = urllib.parse.urlencode({"path": str(tmp_path / "a" / "b.csv"), "kernel": kernel_id})
    resolved = server.request("GET", f"/resolvePath?{query}")["resolved"]
    assert {"scope": "kernel", "path": "/data/a/b.csv"} in resolved


@pytest.fixture
def failing_server(start_server: StartServer) -> HostServer:
    """A server whose kernels end while they start."""
    return start_server(env={"KUBERNEL_ARGV": '["python3", "-m", "no_such_kernel"]'})


def why(text: str) -> list[str]:
    """What, why, and the command that mends it."""
    return [line.strip() for line in text[text.index("The kernel ended") :].splitlines()[:4]]


WHY = [
    "The kernel ended with exit code 1 (KernelCrashed).",
    "Its last output:",
    "/opt/venv/bin/python3: No module named no_such_kernel",
    "Try: KUBERNEL_IMAGE=IMAGE, or image in kernel.json",
]


def test_a_notebook_whose_kernel_fails(failing_server: HostServer) -> None:
    """JupyterLab prints the message in its dialog."""
    with pytest.raises(ServerError) as caught:
        failing_server.start_session("python3")
    assert (caught.value.status, why(caught.value.message)) == (500, WHY)
    assert (failing_server.request("GET", "/kernels"), failing_server.request("GET", "/sessions")) == ([], [])


def test_a_kernel_that_fails(failing_server: HostServer) -> None:
    """Here jupyter_server calls every exception an unhandled error, and says more in its log only."""
    with pytest.raises(ServerError) as caught:
        failing_server.start_kernel()
    assert (caught.value.status, caught.value.message) == (500, "Unhandled error")
    assert why(failing_server.log.read_text().rpartition("KernelFailedError: ")[2]) == WHY
    assert failing_server.request("GET", "/kernels") == []
