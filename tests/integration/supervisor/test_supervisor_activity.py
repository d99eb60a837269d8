"""Idle time: a connected client or used CPU is activity; without both the kernel is ended."""

from __future__ import annotations

import signal
import socket

import pytest

from fixtures.supervisors import Kernel, Operator, Supervise

# In a pid namespace "all processes of the container" are the container's, not this machine's.


def test_idle_kernel_is_ended_and_the_reason_told(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.4)
    exited = operator.wait("exited")
    assert (exited["reason"], exited["signal"], exited["exitCode"]) == ("IdleTimeout", signal.SIGTERM, None)
    assert container.wait() == 128 + signal.SIGTERM
    assert exited["idleSeconds"] >= exited["idleTimeoutSeconds"] == 0.4


def test_connected_client_keeps_the_kernel(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.4)
    operator.wait("running")
    with socket.create_connection(("127.0.0.1", container.config["ports"]["shell"])):
        while container.request("status")["age"] < 1:  # more than twice the timeout, as the supervisor counts it
            pass
    assert container.request("status")["state"] == "running"
    assert operator.wait("exited")["reason"] == "IdleTimeout"


@pytest.mark.parametrize("port", ["iopub", "control", "stdin", "hb"])
def test_a_server_that_only_manages_it_is_no_client(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...], port: str
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.4)
    operator.wait("running")
    with socket.create_connection(("127.0.0.1", container.config["ports"][port])):
        assert operator.wait("exited")["reason"] == "IdleTimeout"


def test_connection_to_another_port_is_no_client(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    body = (
        "other = socket.create_server(('127.0.0.1', 0)); peer = socket.create_connection(other.getsockname()); serve()"
    )
    supervise(kernel(body), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.4)
    assert operator.wait("exited")["reason"] == "IdleTimeout"


def test_kernels_connection_to_itself_is_no_client(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    body = "SOCKETS = listen(); peer = socket.create_connection(('127.0.0.1', INFO['shell_port'])); signal.pause()"
    supervise(kernel(body), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.4)
    assert operator.wait("exited")["reason"] == "IdleTimeout"


@pytest.mark.parametrize(
    "work",
    [
        pytest.param("threading.Thread(target=burn, daemon=True).start()", id="in the kernel"),
        pytest.param("os.fork() or burn()", id="in a child"),
        pytest.param("os.fork() or (os.setsid(), burn())", id="in another session"),
    ],
)
def test_used_cpu_keeps_the_kernel(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...], work: str
) -> None:
    body = f"""
def burn():
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        pass
    os.write(1, b'burnt')
    time.sleep(1000)
{work}
serve()
"""
    container = supervise(kernel(body), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.4)
    container.wait_for_output("burnt")
    assert "exited" not in operator.states()
    assert operator.wait("exited")["reason"] == "IdleTimeout"


def test_exit_by_itself_is_no_idle_timeout(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    supervise(kernel("sys.exit(0)"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=1)
    assert operator.wait("exited")["reason"] is None


def test_idle_kernel_that_ignores_sigterm_is_killed(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); serve()"
    container = supervise(kernel(body), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.2)
    exited = operator.wait("exited")
    assert (exited["reason"], exited["signal"], exited["oomKilled"]) == ("IdleTimeout", signal.SIGKILL, False)
    assert container.wait() == 128 + signal.SIGKILL


def test_without_a_timeout_nobody_looks(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    container.request("stop")
    container.wait()
    assert {report["idleSeconds"] for report in operator.reports} == {None}


def test_timeout_can_change_while_the_kernel_runs(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace)
    operator.wait("running", idleTimeoutSeconds=None)
    done = {"ok": True, "suspended": False}
    assert container.request("configure", idleTimeoutSeconds=3600) == {**done, "idleTimeoutSeconds": 3600}
    operator.wait("running", idleTimeoutSeconds=3600)
    assert container.request("configure", idleTimeoutSeconds=None) == {**done, "idleTimeoutSeconds": None}
    operator.wait("running", idleTimeoutSeconds=None, idleSeconds=None)
    container.request("configure", idleTimeoutSeconds=0.3)
    assert operator.wait("exited")["reason"] == "IdleTimeout"


def test_timeout_that_was_taken_away_ends_nothing(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=1)
    operator.wait("running")
    container.request("configure", idleTimeoutSeconds=None)
    while container.request("status")["age"] < 1.5:
        pass
    assert container.request("status")["state"] == "running"


def test_restart_begins_to_count_anew(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.6)
    operator.wait("running", generation=0)
    container.request("restart", generation=1)
    operator.wait("running", generation=1)
    exited = operator.wait("exited")
    assert (exited["generation"], exited["reason"]) == (1, "IdleTimeout")
    assert exited["idleSeconds"] >= 0.6
