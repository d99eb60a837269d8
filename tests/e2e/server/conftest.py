"""A Jupyter server on this machine, as people start it; the environment alone sends its kernels to the cluster.

Without our server extension, as it is with ``kubernel[provisioner]``, unless a test is marked ``extension``.
"""

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.host_server import START_SECONDS, HostServer, launch
from fixtures.journey_notebook import said
from fixtures.jupyter_server import KernelSocket
from fixtures.kubectl import Kubectl, Object
from fixtures.programs import Environment
from fixtures.waiting import wait_until

# JupyterLab and Notebook are beside it, for tests/browser; each start of a server here would load them.
NO_PAGES = dict.fromkeys(("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp"), False)
StartServer = Callable[..., HostServer]


@pytest.fixture
def extension(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Options of the server; the wheel enables our extension."""
    without = {} if request.node.get_closest_marker("extension") else {"kubernel_jupyter": False}
    return (f"--ServerApp.jpserver_extensions={NO_PAGES | without}",)


@pytest.fixture
def start_server(
    program_environment: Environment, cluster_environment: Environment, tmp_path: Path, extension: tuple[str, ...]
) -> Iterator[StartServer]:
    """``start_server(*options, env={...})``; in the end SIGTERM must end it, and then nothing may be left."""
    started: list[HostServer] = []

    def start(*options: str, env: Environment | None = None) -> HostServer:
        server = launch(tmp_path, {**program_environment, **cluster_environment, **(env or {})}, extension + options)
        started.append(server)
        return server

    yield start
    try:
        codes = [server.stop(signal.SIGTERM) for server in started if server.process.poll() is None]
    finally:
        for server in started:
            server.process.kill()
            server.process.wait()
    assert set(codes) <= {0}, (tmp_path / "server.log").read_text()


@pytest.fixture
def server(start_server: StartServer) -> HostServer:
    """A server with its defaults."""
    return start_server()


def value(socket: KernelSocket, code: str) -> str:
    """What a cell printed, or its error."""
    return said(list(own_outputs(socket, socket.execute(code))))


def own_outputs(socket: KernelSocket, message_id: str) -> Iterator[Object]:
    """What a cell prints itself: debugpy may have something to say on stderr."""
    return (output for output in socket.outputs(message_id) if output.get("name") != "stderr")


def until_busy(socket: KernelSocket, code: str) -> str:
    """Runs a cell that goes on; its message id, once it has printed something."""
    message_id = socket.execute(code)
    next(own_outputs(socket, message_id))
    return message_id


def until_told(socket: KernelSocket, state: str) -> None:
    """Waits until the server tells the notebook that the kernel died and is "restarting", or is "dead"."""
    while True:
        message = json.loads(socket.socket.recv(timeout=START_SECONDS))
        if message["msg_type"] == "status" and message["content"]["execution_state"] == state:
            return


@contextlib.contextmanager
def new_kernel(server: HostServer) -> Iterator[tuple[str, KernelSocket]]:
    """A kernel and a websocket to it."""
    kernel_id = server.start_kernel()
    with server.kernel(kernel_id) as socket:
        yield kernel_id, socket
    server.request("DELETE", f"/kernels/{kernel_id}")


QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
REASON_SECONDS = 60.0


class Room:
    """A namespace whose quota is full until somebody makes room.

    Args:
        here: kubectl for it.
    """

    def __init__(self, here: Kubectl) -> None:
        self.here = here
        here.apply(QUOTA)
        wait_until("the quota", lambda: "hard" in here.items("resourcequotas")[0]["status"], seconds=REASON_SECONDS)

    def make(self) -> None:
        """Lets kernels start."""
        self.here("delete", "resourcequota", "full")

    def kernels(self) -> list[Object]:
        """The KernelInstances there."""
        return self.here.items("kernels")

    def until_refused(self, number: int = 1) -> None:
        """Waits until so many kernels wait for room, and their status says so."""

        def refused() -> bool:
            reasons = [kernel.get("status", {}).get("reason") for kernel in self.kernels()]
            return reasons == ["QuotaExceeded"] * number

        wait_until("kernels that wait for room", refused, seconds=REASON_SECONDS)


@pytest.fixture
def room(kubectl: Kubectl, namespace: str) -> Room:
    return Room(kubectl.within(namespace))


@pytest.fixture
def local_kernelspec(tmp_path: Path) -> Iterator[Any]:
    """``local_kernelspec(name, argv)`` installs a kernelspec of this machine's, where the test's server finds it."""

    def install(name: str, argv: list[str]) -> str:
        folder = tmp_path / ".local" / "share" / "jupyter" / "kernels" / name
        folder.mkdir(parents=True)
        metadata = {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}
        spec = {"argv": argv, "display_name": name, "language": "python", "metadata": metadata}
        (folder / "kernel.json").write_text(json.dumps(spec))
        return name

    return install


def messages_until(socket: KernelSocket, state: str) -> list[Object]:
    """What the page is sent until the server says that the kernel is in that state: dead, restarting, ..."""
    seen: list[Object] = []
    while not (seen and seen[-1]["content"].get("execution_state") == state):
        seen.append(json.loads(socket.socket.recv(timeout=REASON_SECONDS)))
    return seen


@contextlib.contextmanager
def notebook(server: Any, name: str = "python3", path: str = "journey.ipynb") -> Iterator[tuple[Any, KernelSocket]]:
    """A session for a notebook, and the websocket of its page."""
    body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": name}}
    session = server.request("POST", "/sessions", body)
    with server.kernel(session["kernel"]["id"]) as socket:
        yield session, socket
