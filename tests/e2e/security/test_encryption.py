"""CurveZMQ: who has no keys gets nothing."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
import zmq
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import START_SECONDS, connected, run, until_ended
from fixtures.kubectl import Kubectl

from .conftest import client_of, info_of, secret_of, start

Managers = Callable[..., AsyncKernelManager]

# The first bytes of a ZMTP 3.0 greeting: signature and version. Source: https://rfc.zeromq.org/spec/23/
SIGNATURE_AND_VERSION = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00"
MECHANISM = slice(12, 32)


def mechanism(host: str, port: int) -> str:
    """The security mechanism that a ZMQ socket speaks: it says so before it knows the other's."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(SIGNATURE_AND_VERSION)
        answer = b""
        while len(answer) < MECHANISM.stop and (piece := connection.recv(64)):
            answer += piece
    return answer[MECHANISM].rstrip(b"\0").decode()


@pytest.mark.parametrize(("encryption", "expected"), [("Disabled", "NULL"), ("Curve", "CURVE")])
def test_what_each_port_speaks(here: Kubectl, encryption: str, expected: str) -> None:
    instance = start(here, connection={"encryption": encryption})
    connection = instance["status"]["connection"]
    found = {name: mechanism(connection["podIP"], port) for name, port in connection["ports"].items()}
    assert found == dict.fromkeys(connection["ports"], expected)
    keys = {"curve_publickey", "curve_secretkey"} & set(secret_of(here, instance))
    assert len(keys) == (2 if encryption == "Curve" else 0)


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


@pytest.mark.parametrize("policy", ["auto", "required"])
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


async def test_disabled_by_the_manager(kernelspec: str, manager_of: Managers) -> None:
    manager = manager_of(kernelspec, transport_encryption="disabled")
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
