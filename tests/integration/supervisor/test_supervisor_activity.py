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
    assert operator.events() == ["started", "ready", "activity", "exited"]
    assert operator.wait("activity")["lastActivity"] == pytest.approx(operator.wait("ready")["time"], abs=5)


def test_connected_client_keeps_the_kernel(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.4)
    operator.wait("ready")
    with socket.create_connection(("127.0.0.1", container.config["ports"]["shell"])):
        first = container.request("status")["lastActivity"]
        later = first
        while later < first + 1:  # more than twice the timeout, as the supervisor counts it
            later = container.request("status")["lastActivity"]
    assert container.request("status")["state"] == "running"
    assert operator.wait("exited")["reason"] == "IdleTimeout"


@pytest.mark.parametrize("port", ["iopub", "control", "stdin", "hb"])
def test_a_server_that_only_manages_it_is_no_client(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...], port: str
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.4)
    operator.wait("ready")
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
    assert "exited" not in operator.events()
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


def test_without_a_timeout_there_is_no_activity_report(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("ready")
    container.request("stop")
    container.wait()
    assert operator.events() == ["started", "ready", "exited"]


def test_restart_begins_to_count_anew(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace, idleTimeoutSeconds=0.6)
    operator.wait("ready", generation=0)
    container.request("restart", generation=1)
    ready = operator.wait("ready", generation=1)
    exited = operator.wait("exited")
    assert (exited["generation"], exited["reason"]) == (1, "IdleTimeout")
    assert exited["time"] - ready["time"] >= 0.6
