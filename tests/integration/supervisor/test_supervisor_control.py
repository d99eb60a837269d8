"""The control port: who may ask, what is answered, and that nobody can hold it up."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from fixtures.supervisors import KEY, TOKEN, Kernel, Operator, Supervise, eventually
from kubernel_wire.control import ControlError, ControlUnreachableError, Exchange, control


def greeting(connection: socket.socket) -> str:
    """The nonce."""
    line = connection.makefile("rb").readline()
    hello = json.loads(line)
    assert hello == {"nonce": hello["nonce"], "version": 2}
    nonce: str = hello["nonce"]
    return nonce


def rest_of(connection: socket.socket) -> bytes:
    """All that still comes, until the supervisor closes."""
    with connection.makefile("rb") as stream:
        return stream.read()


def ask(connection: socket.socket, line: bytes) -> dict[str, Any]:
    """The answer to a raw line, whoever signed it."""
    connection.sendall(line)
    answer: dict[str, Any] = json.loads(rest_of(connection).partition(b" ")[2])
    return answer


REFUSED = {"ok": False, "error": "authentication failed"}


@pytest.mark.parametrize(("role", "key"), [("connection", KEY), ("operator", TOKEN)])
async def test_the_shared_client_gets_the_status(
    supervise: Supervise, kernel: Kernel, operator: Operator, role: Any, key: str
) -> None:
    container = supervise(kernel("serve()"), operator=operator, restartGeneration=2)
    ready = operator.wait("running")
    port = container.config["controlPort"]
    status = await control("127.0.0.1", port, {"op": "status"}, key=key.encode(), role=role)
    assert status.pop("pid") > 0
    assert (status.pop("zygote"), status.pop("spare")) == (None, None)
    assert 0 <= status.pop("age") <= status.pop("processAge")
    status.pop("memory", None)  # where the machine tells it
    assert status == {
        "encryption": "Disabled",
        "idleSeconds": None,
        "idleTimeoutSeconds": None,
        "ok": True,
        "state": "running",
        "generation": 2,
        "exitCode": None,
        "signal": None,
        "oomKilled": False,
        "reason": None,
        "log": "",
        "ip": ready["ip"],
    }


async def test_the_shared_client_says_why_it_was_refused(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    port = container.config["controlPort"]
    with pytest.raises(ControlError, match="refused 'status': authentication failed"):
        await control("127.0.0.1", port, {"op": "status"}, key=b"wrong", role="connection")
    container.request("stop")
    container.wait()
    with pytest.raises(ControlUnreachableError):
        await control("127.0.0.1", port, {"op": "status"}, key=KEY.encode(), role="connection")


@pytest.mark.parametrize(
    ("key", "role"),
    [
        pytest.param("0" * 64, "connection", id="wrong key"),
        pytest.param(KEY, "operator", id="connection key as operator"),
        pytest.param(TOKEN, "connection", id="token as server"),
        pytest.param(KEY, "root", id="unknown role"),
        pytest.param("", "", id="no role"),
    ],
)
def test_wrong_mac_is_refused_and_does_nothing(
    supervise: Supervise, kernel: Kernel, operator: Operator, key: str, role: Any
) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    assert container.request("signal", signum=signal.SIGKILL, key=key, role=role) == REFUSED
    assert container.request("status")["state"] == "running"


def test_mac_covers_the_request(supervise: Supervise, kernel: Kernel) -> None:
    container = supervise(kernel("serve()"))
    with container.connect() as connection:
        line = Exchange(KEY.encode(), "connection", greeting(connection), {"op": "signal", "signum": 2}).line()
        assert ask(connection, line.replace(b'"signum":2', b'"signum":9')) == REFUSED


def test_nonce_is_good_for_its_own_connection_only(supervise: Supervise, kernel: Kernel) -> None:
    container = supervise(kernel("serve()"))
    with container.connect() as first, container.connect() as second:
        line = Exchange(KEY.encode(), "connection", greeting(first), {"op": "status"}).line()
        greeting(second)
        assert ask(second, line) == REFUSED
        assert ask(first, line)["ok"] is True


def test_second_request_of_a_connection_is_not_read(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    with container.connect() as connection:
        nonce = greeting(connection)
        status = Exchange(KEY.encode(), "connection", nonce, {"op": "status"}).line()
        kill = Exchange(KEY.encode(), "connection", nonce, {"op": "signal", "signum": 9}).line()
        answer = ask(connection, status + kill)
    assert answer["state"] == "running"
    assert container.request("status")["state"] == "running"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"op": "dance"}, "unknown op 'dance'"),
        ({}, "unknown op None"),
        ({"op": "signal"}, "signum must be a signal number"),
        ({"op": "signal", "signum": 0}, "signum must be a signal number"),
        ({"op": "signal", "signum": 65}, "signum must be a signal number"),
        ({"op": "signal", "signum": True}, "signum must be a signal number"),
        ({"op": "signal", "signum": "9"}, "signum must be a signal number"),
        ({"op": "restart"}, "generation must be a number"),
        ({"op": "restart", "generation": 1.5}, "generation must be a number"),
        ({"op": "restart", "generation": 1, "env": ["A=1"]}, "env must be an object of strings"),
        ({"op": "restart", "generation": 1, "env": {"A": 1}}, "env must be an object of strings"),
        (
            {"op": "configure", "idleTimeoutSeconds": 0},
            "idleTimeoutSeconds must be a number of seconds above 0, or null",
        ),
        (
            {"op": "configure", "idleTimeoutSeconds": "1"},
            "idleTimeoutSeconds must be a number of seconds above 0, or null",
        ),
    ],
)
def test_request_that_makes_no_sense_is_refused(
    supervise: Supervise, kernel: Kernel, request_: dict[str, Any], error: str
) -> None:
    container = supervise(kernel("serve()"))
    with container.connect() as connection:
        exchange = Exchange(KEY.encode(), "connection", greeting(connection), request_)
        connection.sendall(exchange.line())
        with pytest.raises(ControlError, match=f"^{re.escape(error)}$"):
            exchange.answer(rest_of(connection))


@pytest.mark.parametrize("size", [256 * 1024, 1024 * 1024])
def test_oversized_line_is_refused(supervise: Supervise, kernel: Kernel, size: int) -> None:
    container = supervise(kernel("serve()"))
    with container.connect() as connection:
        greeting(connection)
        assert ask(connection, b"x" * size) == {"ok": False, "error": "a line may have at most 256 KiB"}


def test_line_may_come_in_pieces(supervise: Supervise, kernel: Kernel) -> None:
    container = supervise(kernel("serve()"))
    with container.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in Exchange(KEY.encode(), "connection", greeting(connection), {"op": "status"}).line():
            connection.sendall(bytes([byte]))
        assert b'{"ok":true,' in rest_of(connection)


def test_silent_connection_is_closed(supervise: Supervise, kernel: Kernel) -> None:
    container = supervise(kernel("serve()"))
    with container.connect() as silent, container.connect() as slow:
        greeting(silent)
        greeting(slow)
        slow.sendall(b"half a li")
        assert container.request("status")["ok"] is True  # nobody waits for them
        assert rest_of(silent) == rest_of(slow) == b""


def test_flood_of_connections_does_not_keep_a_request_out(supervise: Supervise, kernel: Kernel) -> None:
    container = supervise(kernel("serve()"))
    hoarded = [container.connect() for _ in range(300)]
    assert container.request("status")["ok"] is True
    assert rest_of(hoarded[0]).endswith(b'"version":2}\n')  # the oldest was closed for the newer ones
    for connection in hoarded:
        connection.close()


def test_signal_reaches_the_whole_process_group(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    body = """
CHILD = (
    "import signal, sys; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(print('child got it')));"
    "print('child', flush=True); signal.pause()"
)
signal.signal(signal.SIGUSR1, lambda *_: print('kernel got it', flush=True))
subprocess.Popen([sys.executable, "-c", CHILD])
serve()
"""
    container = supervise(kernel(body), operator=operator)
    operator.wait("running")
    container.wait_for_output("child\n")
    assert container.request("signal", signum=signal.SIGUSR1) == {"ok": True, "delivered": True}
    container.wait_for_output("child got it")
    container.wait_for_output("kernel got it")


def test_signal_to_a_kernel_that_has_ended_is_not_delivered(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("sys.exit(1)"), operator=operator)
    operator.wait("exited")
    assert container.request("signal", signum=signal.SIGINT) == {"ok": True, "delivered": False}
    status = container.request("status")
    assert (status["state"], status["pid"], status["exitCode"], status["signal"]) == ("exited", None, 1, None)


def test_stop_ends_the_container_with_the_kernels_code_and_no_grace(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    body = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); serve()"
    container = supervise(kernel(body), operator=operator, restartGraceSeconds=3600)
    operator.wait("running")
    assert container.request("stop") == {"ok": True}
    assert container.wait() == 7
    exited = operator.wait("exited")
    assert (exited["exitCode"], exited["reason"]) == (7, "Stopped")


def test_stop_kills_a_kernel_that_ignores_sigterm(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("signal.signal(signal.SIGTERM, signal.SIG_IGN); serve()"), operator=operator)
    operator.wait("running")
    container.request("stop")
    assert container.wait() == 128 + signal.SIGKILL


def test_stop_after_the_kernels_end_cuts_the_grace(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("sys.exit(5)"), operator=operator, restartGraceSeconds=3600)
    operator.wait("exited")
    container.request("stop")
    assert container.wait() == 5


def test_the_port_is_open_before_the_kernel_runs(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    """So a kernel whose ports are open, and not the control port, has no supervisor."""
    at_once = "socket.create_connection(('127.0.0.1', int(sys.argv[2]))); serve()"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    supervise([*kernel(at_once), str(port)], operator=operator, controlPort=port)
    operator.wait("running")


def test_port_that_is_taken_is_said_and_the_kernel_runs_on(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        container = supervise(kernel("serve()"), operator=operator, controlPort=taken.getsockname()[1])
        operator.wait("running")
        container.wait_for_output("kubernel: no control port")


def test_descriptors_of_closed_connections_are_released(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")

    def descriptors() -> int:
        return len(list(Path(f"/proc/{container.pid}/fd").iterdir()))

    before = descriptors()
    for _ in range(100):
        container.request("status")
    assert eventually(lambda: descriptors() <= before, "all connections closed")


async def test_a_status_waits_for_another_state(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    """Who restarts a kernel, or has asked it to end, knows at once."""
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")

    async def after(state: str) -> dict[str, Any]:
        request = {"op": "status", "while": state}
        return await control("127.0.0.1", container.config["controlPort"], request, key=KEY.encode(), role="connection")

    assert (await after("starting"))["state"] == "running"
    ending, ending_too = (asyncio.create_task(after("running")) for _ in range(2))
    await asyncio.wait({ending, ending_too}, timeout=0.1)
    assert not ending.done()
    assert container.request("signal", signum=int(signal.SIGTERM))["delivered"]
    for status in (await ending, await ending_too):
        assert (status["state"], status["signal"]) == ("exited", signal.SIGTERM)
    assert container.request("restart", generation=1)["started"]
    status = await after("starting")
    assert (status["state"], status["generation"]) == ("running", 1)


async def test_a_status_waits_for_another_state_for_a_second(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    assert container.request("status", **{"while": "running"})["state"] == "running"
    with container.connect() as connection:  # one that leaves while it waits is nobody's trouble
        exchange = Exchange(KEY.encode(), "connection", greeting(connection), {"op": "status", "while": "running"})
        connection.sendall(exchange.line())
    assert container.request("status", **{"while": "running"})["state"] == "running"
    assert container.request("status", **{"while": []})["state"] == "running"
