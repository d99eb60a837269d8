"""A real ipykernel under a real supervisor, used through jupyter_client as a notebook server does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import zmq

from fixtures.ipykernels import BUSY, IPYKERNEL, client_of, reply_to, run, wait_for_stream
from fixtures.supervisors import DEADLINE_SECONDS, Operator, Supervise


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


@pytest.mark.parametrize("how", ["message", "signal"])
def test_interrupt_as_pid_1_reaches_kernel_and_children(
    supervise: Supervise, operator: Operator, pid_namespace: tuple[str, ...], how: str
) -> None:
    container = supervise(IPYKERNEL, operator=operator, prefix=pid_namespace)
    operator.wait("running")
    with client_of(container) as client:
        asked = client.execute(BUSY, stop_on_error=False)  # or what comes right after it is aborted, too
        wait_for_stream(client, "busy")
        if how == "message":
            request = client.session.msg("interrupt_request", {})
            client.control_channel.send(request)
        else:
            assert container.request("signal", signum=signal.SIGINT) == {"ok": True, "delivered": True}
        assert reply_to(client, asked)["ename"] == "KeyboardInterrupt"
        assert run(client, "print(child.wait())") == f"{-signal.SIGINT}\n"


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
    container = supervise(IPYKERNEL, operator=operator, env=env, encryption="Auto")
    assert operator.wait("running")["encryption"] == "Curve"
    with client_of(container, curve_publickey=public, curve_secretkey=secret) as client:
        assert run(client, "print('encrypted')") == "encrypted\n"


#: An ipykernel that takes no notice of the keys, as before 7.3; once there is a file ``other`` it is the other version.
IPYKERNEL_OF_TWO_VERSIONS = """
import json, os, sys
from ipykernel.kernelapp import IPKernelApp
path = sys.argv[1]
if os.path.exists("other") is {can}:
    info = json.load(open(path))
    path += ".old"
    json.dump({{name: value for name, value in info.items() if "curve" not in name}}, open(path, "w"))
IPKernelApp.launch_instance(["-f", path])
"""


def changing_kernel(folder: Path, can: bool) -> list[str]:
    """A kernel that can encrypt, or not, until there is a file ``other``."""
    script = folder / "changing.py"
    script.write_text(IPYKERNEL_OF_TWO_VERSIONS.format(can=can))
    return ["python3", str(script), "{connection_file}"]


def test_a_kernel_that_cannot_encrypt_goes_without_for_good(
    supervise: Supervise, operator: Operator, open_path: Path
) -> None:
    """Clients have no keys then, so a later version that could must not do so."""
    public, secret = (key.decode() for key in zmq.curve_keypair())
    env = {"KUBERNEL_CURVE_PUBLICKEY": public, "KUBERNEL_CURVE_SECRETKEY": secret}
    container = supervise(changing_kernel(open_path, can=False), operator=operator, env=env, encryption="Auto")
    assert operator.wait("running")["encryption"] == "Disabled"
    (container.folder / "other").touch()
    container.request("restart", generation=1)
    assert operator.wait("running", generation=1)["encryption"] == "Disabled"
    with client_of(container) as client:
        assert run(client, "print('plain')") == "plain\n"


@pytest.mark.parametrize("asked", ["Curve", "Auto"])
def test_a_kernel_that_does_not_encrypt_as_clients_expect_is_not_ready(
    supervise: Supervise, operator: Operator, open_path: Path, asked: str
) -> None:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    env = {"KUBERNEL_CURVE_PUBLICKEY": public, "KUBERNEL_CURVE_SECRETKEY": secret}
    container = supervise(changing_kernel(open_path, can=True), operator=operator, env=env, encryption=asked)
    assert operator.wait("running")["encryption"] == "Curve"
    (container.folder / "other").touch()
    container.request("restart", generation=1)
    said = "The kernel does not encrypt its channels; ipykernel does so since 7.3"
    container.wait_for_output(said)
    status = container.request("status")
    assert (status["state"], status["log"].startswith(said)) == ("starting", True)


def test_idle_ipykernel_counts_as_idle(
    supervise: Supervise, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    """Its own threads wake up now and then; that is no use."""
    supervise(IPYKERNEL, operator=operator, prefix=pid_namespace, idleTimeoutSeconds=2)
    assert operator.wait("exited")["reason"] == "IdleTimeout"
