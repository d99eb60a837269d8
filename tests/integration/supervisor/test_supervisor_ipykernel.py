"""A real ipykernel under a real supervisor, used through jupyter_client as a notebook server does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient

from fixtures.supervisors import DEADLINE_SECONDS, KEY, Container, Operator, Supervise

IPYKERNEL = ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@contextmanager
def client_of(container: Container, **more: Any) -> Iterator[BlockingKernelClient]:
    """A client of the kernel that has answered once."""
    client = BlockingKernelClient()
    ports = {f"{name}_port": port for name, port in container.config["ports"].items()}
    info: Any = {"ip": "127.0.0.1", "transport": "tcp", "key": KEY, "signature_scheme": "hmac-sha256", **ports, **more}
    client.load_connection_info(info)
    client.start_channels()
    try:
        client.wait_for_ready(timeout=DEADLINE_SECONDS)
        yield client
    finally:
        client.stop_channels()


def run(client: BlockingKernelClient, code: str) -> str:
    """What a cell prints."""
    printed: list[str] = []

    def keep(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    client.execute_interactive(code, timeout=DEADLINE_SECONDS, output_hook=keep)
    return "".join(printed)


def test_it_answers_as_soon_as_it_is_ready(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running")
    with client_of(container) as client:
        assert run(client, "print(6 * 7)") == "42\n"


def test_restart_in_place_serves_the_same_client(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        run(client, "x = 1")
        container.request("restart", generation=1)
        operator.wait("running", generation=1)
        client.wait_for_ready(timeout=DEADLINE_SECONDS)
        assert run(client, "print('x' in globals())") == "False\n"


def test_shutdown_request_ends_the_container(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator, restartGraceSeconds=0.1)
    operator.wait("running")
    with client_of(container) as client:
        client.shutdown()
        exited = operator.wait("exited")
    assert (exited["exitCode"], exited["signal"], exited["log"]) == (0, None, "")
    assert container.wait() == 0


BUSY = """
import subprocess, time
child = subprocess.Popen(["sleep", "1000"])
print("busy", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("how", ["message", "signal"])
def test_interrupt_as_pid_1_reaches_kernel_and_children(
    supervise: Supervise, operator: Operator, pid_namespace: tuple[str, ...], how: str
) -> None:
    container = supervise(IPYKERNEL, operator=operator, prefix=pid_namespace)
    operator.wait("running")
    with client_of(container) as client:
        client.execute(BUSY, stop_on_error=False)  # or what comes right after it is aborted, too
        wait_for_stream(client, "busy")
        if how == "message":
            request = client.session.msg("interrupt_request", {})
            client.control_channel.send(request)
        else:
            assert container.request("signal", signum=signal.SIGINT) == {"ok": True, "delivered": True}
        reply = client.get_shell_msg(timeout=DEADLINE_SECONDS)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert run(client, "print(child.wait())") == f"{-signal.SIGINT}\n"


def wait_for_stream(client: BlockingKernelClient, text: str) -> None:
    """Until the running cell has printed it."""
    seen = ""
    while text not in seen:
        message = client.get_iopub_msg(timeout=DEADLINE_SECONDS)
        if message["msg_type"] == "stream":
            seen += message["content"]["text"]


def test_sigterm_ends_it_as_pid_1(supervise: Supervise, operator: Operator, pid_namespace: tuple[str, ...]) -> None:
    container = supervise(IPYKERNEL, operator=operator, prefix=pid_namespace)
    operator.wait("running")
    os.kill(container.pid, signal.SIGTERM)
    exited = operator.wait("exited")
    assert container.wait() == (128 + exited["signal"] if exited["signal"] else exited["exitCode"])


def test_failed_import_is_in_the_log(supervise: Supervise, operator: Operator) -> None:
    supervise(["python3", "-m", "no_such_kernel", "-f", "{connection_file}"], operator=operator)
    exited = operator.wait("exited")
    assert exited["exitCode"] == 1
    assert exited["log"].endswith("No module named no_such_kernel\n")


def test_curve_keys_reach_it(supervise: Supervise, operator: Operator) -> None:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    env = {"KUBERNEL_CURVE_PUBLICKEY": public, "KUBERNEL_CURVE_SECRETKEY": secret}
    container = supervise(IPYKERNEL, operator=operator, env=env)
    operator.wait("running")
    with client_of(container, curve_publickey=public, curve_secretkey=secret) as client:
        assert run(client, "print('encrypted')") == "encrypted\n"


def test_idle_ipykernel_counts_as_idle(
    supervise: Supervise, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    """Its own threads wake up now and then; that is no use."""
    supervise(IPYKERNEL, operator=operator, prefix=pid_namespace, idleTimeoutSeconds=2)
    assert operator.wait("exited")["reason"] == "IdleTimeout"
