"""A Jupyter server on this machine, as people start it; the environment alone sends its kernels to the cluster."""

import contextlib
import json
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.journey_notebook import said
from fixtures.jupyter_server import JupyterServer, KernelSocket, answers
from fixtures.programs import Environment
from fixtures.waiting import wait_until

START_SECONDS = 60.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class HostServer(JupyterServer):
    """A Jupyter server that is a process of this machine.

    Args:
        process: the server.
        runtime: folder of its connection files.
        log: what it says.
    """

    process: subprocess.Popen[bytes]
    runtime: Path
    log: Path

    def stop(self, signum: int) -> int:
        """Sends a signal and returns the exit code."""
        self.process.send_signal(signum)
        return self.process.wait(STOP_SECONDS)

    def start_kernel(self, **body: str) -> str:
        """Starts a kernel and returns its id."""
        return str(self.request("POST", "/kernels", {"name": "python3", **body})["id"])

    def state(self, kernel_id: str) -> str:
        """What the server thinks a kernel does: starting, idle, busy, ..."""
        return str(self.request("GET", f"/kernels/{kernel_id}")["execution_state"])

    def connection_info(self, kernel_id: str) -> Any:
        """What the server's connection file of a kernel says; a restart after a crash writes it anew."""
        file = self.runtime / f"kernel-{kernel_id}.json"
        return json.loads(wait_until(str(file), lambda: file.exists() and file.read_text(), seconds=START_SECONDS))


StartServer = Callable[..., HostServer]


@pytest.fixture
def start_server(
    program_environment: Environment, cluster_environment: Environment, tmp_path: Path
) -> Iterator[StartServer]:
    """``start_server(*options, env={...})``; in the end SIGTERM must end it, and then nothing may be left."""
    started: list[HostServer] = []

    def start(*options: str, env: Environment | None = None) -> HostServer:
        server = launch(tmp_path, {**program_environment, **cluster_environment, **(env or {})}, options)
        started.append(server)
        wait_until("the Jupyter server", lambda: answers(server), seconds=START_SECONDS)
        return server

    yield start
    try:
        codes = [server.stop(signal.SIGTERM) for server in started if server.process.poll() is None]
    finally:
        for server in started:
            server.process.kill()
            server.process.wait()
    assert codes in ([], [0]), (tmp_path / "server.log").read_text()


@pytest.fixture
def server(start_server: StartServer) -> HostServer:
    """A server with its defaults."""
    return start_server()


def launch(folder: Path, environment: Environment, options: tuple[str, ...]) -> HostServer:
    """Starts a server on a port of its own choice and waits until it has said which."""
    runtime, token = folder / "runtime", secrets.token_hex(16)
    environment = {**environment, "JUPYTER_TOKEN": token, "JUPYTER_RUNTIME_DIR": str(runtime)}
    command = ["jupyter", "server", "--allow-root", "--no-browser", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen([*command, *options], env=environment, stdout=output, stderr=output, cwd=folder)
    info = runtime / f"jpserver-{process.pid}.json"
    wait_until("the server's port", lambda: info.exists() and info.stat().st_size, seconds=START_SECONDS)
    return HostServer(f"127.0.0.1:{json.loads(info.read_text())['port']}", token, process, runtime, log)


def value(socket: KernelSocket, code: str) -> str:
    """What a cell printed, or its error."""
    # Only what the cell prints itself: debugpy may have something to say on stderr.
    return said([output for output in socket.outputs(socket.execute(code)) if output.get("name") != "stderr"])


def until_busy(socket: KernelSocket, code: str) -> str:
    """Runs a cell that goes on; its message id, once it has printed something."""
    message_id = socket.execute(code)
    next(iter(socket.outputs(message_id)))
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
