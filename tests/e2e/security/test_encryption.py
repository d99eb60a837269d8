"""CurveZMQ: who has no keys gets nothing."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
import zmq
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import START_SECONDS, UNTIL_IT_CAN_FORK, connected, run, until_ended
from fixtures.kubectl import Kubectl

from .conftest import client_of, info_of, secret_of, start

Managers = Callable[..., AsyncKernelManager]

# The first bytes of a ZMTP 3.0 greeting: signature and version. Source: https://rfc.zeromq.org/spec/23/
SIGNATURE_AND_VERSION = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00"
MECHANISM = slice(12, 32)


WAS_FORKED = "import gc; print(gc.get_freeze_count() > 0)"

#: An ipykernel that takes no notice of curve keys, as before 7.3.
PLAIN = """
import json, sys
from ipykernel.kernelapp import IPKernelApp
info = json.load(open(sys.argv[1]))
path = sys.argv[1] + ".plain"
json.dump({name: value for name, value in info.items() if "curve" not in name}, open(path, "w"))
IPKernelApp.launch_instance(["-f", path])
"""


def mechanism(host: str, port: int) -> str:
    """The security mechanism that a ZMQ socket speaks: it says so before it knows the other's."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(SIGNATURE_AND_VERSION)
        answer = b""
        while len(answer) < MECHANISM.stop and (piece := connection.recv(64)):
            answer += piece
    return answer[MECHANISM].rstrip(b"\0").decode()


@pytest.mark.parametrize(("encryption", "expected"), [("Disabled", "NULL"), ("Auto", "CURVE"), ("Curve", "CURVE")])
def test_what_each_port_speaks(here: Kubectl, encryption: str, expected: str) -> None:
    instance = start(here, connection={"encryption": encryption})
    connection = instance["status"]["connection"]
    found = {name: mechanism(connection["podIP"], port) for name, port in connection["ports"].items()}
    assert found == dict.fromkeys(connection["ports"], expected)
    keys = {"curve_publickey", "curve_secretkey"} & set(secret_of(here, instance))
    assert len(keys) == (0 if encryption == "Disabled" else 2)
    assert connection["encryption"] == ("Curve" if expected == "CURVE" else "Disabled")


def without_keys(info: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in info.items() if not name.startswith("curve_")}


def with_other_keys(info: dict[str, Any]) -> dict[str, Any]:
    public, secret = zmq.curve_keypair()
    return {**info, "curve_publickey": public.decode(), "curve_secretkey": secret.decode()}


@pytest.mark.parametrize("stranger", [without_keys, with_other_keys])
async def test_a_stranger_gets_nothing(here: Kubectl, stranger: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    info = info_of(here, start(here, connection={"encryption": "Curve"}))
    async with client_of(stranger(info)) as outside, client_of(info) as inside:
        outside.shell_channel.socket.setsockopt(zmq.SNDTIMEO, 1000)
        with contextlib.suppress(zmq.Again):  # once it was turned away, a socket takes no message and waits
            outside.kernel_info()
        await inside.wait_for_ready(timeout=START_SECONDS)
        for number in range(3):
            assert await run(inside, f"print({number})") == f"{number}\n"
        channels = (outside.shell_channel, outside.iopub_channel, outside.control_channel, outside.stdin_channel)
        assert [await channel.msg_ready() for channel in channels] == [False] * 4


@pytest.fixture
def kernelspec(operator: object, namespace: str, install_kernelspec: Callable[..., str]) -> str:
    return install_kernelspec(namespace)


@pytest.mark.parametrize("policy", ["disabled", "auto", "required"])
async def test_a_managers_policy_outlives_restart_and_pod(
    kernelspec: str, manager_of: Managers, here: Kubectl, policy: str
) -> None:
    manager = manager_of(kernelspec, transport_encryption=policy)
    await manager.start_kernel()
    before = manager.get_connection_info()
    assert before["curve_publickey"]
    async with connected(manager) as client:
        await run(client, "x = 1")
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=START_SECONDS)
        assert await run(client, "x") == "NameError"
        here("delete", "pods", "--selector=app.kubernetes.io/managed-by=kubernel", "--wait=false")
        await until_ended(manager)
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=START_SECONDS)
        assert await run(client, "print(1)") == "1\n"
    assert manager.get_connection_info() == before
    assert mechanism(before["ip"], before["shell_port"]) == "CURVE"


def overheard(info: dict[str, Any]) -> zmq.Socket[bytes]:
    """What a stranger subscribes to who knows the address alone."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.linger, socket.rcvtimeo = 0, 1000
    socket.subscribe(b"")
    with socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED) as events:
        socket.connect(f"tcp://{info['ip']}:{info['iopub_port']}")
        assert events.poll(START_SECONDS * 1000), "neither taken nor turned away"
        socket.disable_monitor()
    return socket


@pytest.mark.parametrize("encryption", ["Auto", "Disabled"])
async def test_a_strangers_subscription(
    kernelspec: str, manager_of: Managers, monkeypatch: pytest.MonkeyPatch, encryption: str
) -> None:
    """By default it sees nothing: not of a new process, nor of one that was forked."""
    monkeypatch.setenv("KUBERNEL_ENCRYPTION", encryption)
    manager = manager_of(kernelspec)
    await manager.start_kernel()
    info, heard, were_forked = manager.get_connection_info(), [], []
    async with connected(manager) as client:
        for _ in range(2):
            with overheard(info) as stranger:
                assert await run(client, "print('balance', 4711)") == "balance 4711\n"
                with contextlib.suppress(zmq.Again):
                    while True:
                        heard += stranger.recv_multipart()
            were_forked.append(await run(client, WAS_FORKED))
            await run(client, UNTIL_IT_CAN_FORK)
            await manager.restart_kernel(now=True)
            await client.wait_for_ready(timeout=START_SECONDS)
    assert were_forked == ["False\n", "True\n"]
    assert any(b"4711" in part for part in heard) is (encryption == "Disabled")
    assert bool(heard) is (encryption == "Disabled")


@pytest.mark.parametrize("wanted", ["Auto", "Curve"])
async def test_a_kernel_that_cannot(
    operator: object,
    namespace: str,
    install_kernelspec: Callable[..., str],
    manager_of: Managers,
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
) -> None:
    """With Auto it is used as it is; with Curve it is never ready, and the error says why."""
    monkeypatch.setenv("KUBERNEL_ENCRYPTION", wanted)
    monkeypatch.setenv("KUBERNEL_START_DEADLINE_SECONDS", "15" if wanted == "Curve" else "90")
    manager = manager_of(install_kernelspec(namespace, "--argv", "python3", "-c", PLAIN, "{connection_file}"))
    if wanted == "Curve":
        with pytest.raises(RuntimeError, match=r"does not encrypt its channels; ipykernel does so since 7\.3"):
            await manager.start_kernel()
        return
    await manager.start_kernel()
    assert "curve_publickey" not in manager.get_connection_info()
    assert mechanism(manager.ip, manager.shell_port) == "NULL"
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"


async def test_disabled(kernelspec: str, manager_of: Managers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNEL_ENCRYPTION", "Disabled")
    manager = manager_of(kernelspec)
    await manager.start_kernel()
    assert mechanism(manager.ip, manager.shell_port) == "NULL"


async def test_required_of_a_kernel_that_cannot(
    operator: object,
    namespace: str,
    install_kernelspec: Callable[..., str],
    manager_of: Managers,
    leftovers: Callable[[str], list[str]],
) -> None:
    manager = manager_of(install_kernelspec(namespace, "--language", "R"), transport_encryption="required")
    with pytest.raises(RuntimeError, match="transport_encryption='required' but kernelspec does not declare 'curve'"):
        await manager.start_kernel()
    assert leftovers(namespace) == []
