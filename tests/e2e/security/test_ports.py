"""What a port scan of a kernel's pod finds, and what a stranger can do with it."""

import errno
import json
import os
import socket
from collections.abc import Callable

import pytest

from fixtures.kernel_managers import START_SECONDS, run
from fixtures.kubectl import Kubectl, Object
from fixtures.waiting import wait_until
from kubernel_api.constants import CONTROL_PORT, PORTS
from kubernel_wire.control import control

from .conftest import client_of, info_of, start

LoadImage = Callable[[str], str]
R = {"argv": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"], "language": "R"}


def open_ports(host: str, ports: range) -> set[int]:
    """Those that accept a connection; the others refuse it at once."""
    found = set()
    for port in ports:
        with socket.socket() as one:
            one.settimeout(START_SECONDS)
            code = one.connect_ex((host, port))
        if code == 0:
            found.add(port)
        elif code != errno.ECONNREFUSED:
            raise OSError(code, f"port {port}: {os.strerror(code)}")
    return found


@pytest.mark.parametrize(
    ("image", "kernel", "expected"),
    [
        pytest.param("kernel-python", {}, {*PORTS.values(), CONTROL_PORT}, id="supervised"),
        pytest.param("kernel-r", R, {*PORTS.values()}, id="without Python"),
    ],
)
def test_the_ports_of_a_pod(
    here: Kubectl, load_image: LoadImage, image: str, kernel: Object, expected: set[int]
) -> None:
    instance = start(here, image=load_image(image), kernel=kernel)
    assert open_ports(instance["status"]["connection"]["podIP"], range(1, 65536)) == expected


# Without a key: wrong MACs for each role and operation, an answer to another connection's nonce, noise, silence.
STRANGER = """
import hashlib, hmac, json, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
def talk(*lines):
    with socket.create_connection((host, port), 10) as connection:
        stream = connection.makefile("rwb")
        nonce = json.loads(stream.readline())["nonce"]
        for line in lines:
            stream.write(line(nonce) if callable(line) else line)
        stream.flush()
        try:
            return stream.readline().decode().strip(), nonce
        except ConnectionResetError:
            return "reset", nonce
def signed(key, role, request, nonce):
    mac = hmac.new(key, b"kubernel-control-v2\\n" + nonce.encode() + b"\\n" + request, hashlib.sha256).hexdigest()
    return mac.encode() + b" " + role + b" " + request + b"\\n"
answers = set()
requests = [b'{"op":"stop"}', b'{"op":"signal","signum":9}', b'{"op":"restart","generation":9}', b'{"op":"status"}']
for role in (b"connection", b"operator", b"root", b""):
    for request in requests:
        for key in (b"", b"0" * 64, b"key"):
            answers.add(talk(lambda nonce: signed(key, role, request, nonce))[0])
_, old = talk(b"\\n")
answers.add(talk(signed(b"", b"connection", b'{"op":"stop"}', old))[0])
for noise in (b"\\n", b"\\0" * 100 + b"\\n", b"a b\\n", b"\\xff\\xfe c d\\n", b'{"op":"stop"}\\n'):
    answers.add(talk(noise)[0])
answers.add(talk(b"x" * 270000)[0])
silent = [socket.create_connection((host, port), 10) for _ in range(200)]
print(json.dumps(sorted(answers)))
"""


async def test_a_stranger_at_the_control_port(
    here: Kubectl, kubectl: Kubectl, make_namespace: Callable[[str], str], kernel_image: str
) -> None:
    instance = start(here)
    info, connection = info_of(here, instance), instance["status"]["connection"]
    there = kubectl.within(make_namespace("t"))

    async def status() -> Object:
        return await control(connection["podIP"], CONTROL_PORT, {"op": "status"}, key=info["key"], role="connection")

    async with client_of(info) as client:
        await client.wait_for_ready(timeout=START_SECONDS)
        await run(client, "x = 42")
        before = await status()
        there.apply(stranger(kernel_image, connection["podIP"]))
        phase = ("get", "pod", "stranger", "--output=jsonpath={.status.phase}")
        wait_until("the stranger's end", lambda: there.text(*phase) in {"Succeeded", "Failed"}, seconds=90)
        answers = json.loads(there.text("logs", "stranger"))
        after = await status()
        assert await run(client, "print(x)") == "42\n"
    assert set(answers) == {
        '- {"ok":false,"error":"authentication failed"}',
        '- {"ok":false,"error":"a line may have at most 256 KiB"}',
    }
    assert (after["pid"], after["generation"], after["state"]) == (before["pid"], 0, "running")


def stranger(image: str, host: str) -> Object:
    """A pod that tries everything at a kernel's control port, without its keys."""
    container = {
        "name": "stranger",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["python3", "-c", STRANGER, host, str(CONTROL_PORT)],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger"}, "spec": spec}
