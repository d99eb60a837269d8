"""What makes a thousand kernels out of none: KernelInstances become Ready at the ports of one listener.

A node holds about a hundred pods, and a server that has a thousand idle kernels does not notice the difference: what it
has are objects in a real API server, their Secrets, and connections to ports that answer.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import zmq
import zmq.asyncio

from fixtures.objects import ready_status
from kubernel_api.constants import API_VERSION, SECRET_KEY
from kubernel_api.names import secret_name
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster

HOST = "127.0.0.1"
KEY = "0" * 64
MANY = 10_000


class Listener:
    """Five ports of any number of kernels that never have anything to say; heartbeats are echoed."""

    def __init__(self) -> None:
        self._context = zmq.asyncio.Context()
        self._context.set(zmq.MAX_SOCKETS, MANY)
        self._sockets = {name: self._context.socket(zmq.ROUTER) for name in ("shell", "stdin", "control", "hb")}
        self._sockets["iopub"] = self._context.socket(zmq.PUB)
        self.ports = {name: int(socket.bind_to_random_port(f"tcp://{HOST}")) for name, socket in self._sockets.items()}

    def info(self) -> dict[str, Any]:
        """Connection info."""
        ports = {f"{name}_port": port for name, port in self.ports.items()}
        return {"transport": "tcp", "ip": HOST, "signature_scheme": "hmac-sha256", "key": KEY.encode(), **ports}

    async def echo_for_ever(self) -> None:
        """Answers heartbeats."""
        heartbeats = self._sockets["hb"]
        while True:
            await heartbeats.send_multipart(await heartbeats.recv_multipart())

    def close(self) -> None:
        """Closes the ports."""
        self._context.destroy(linger=0)


async def make_ready(cluster: Cluster, namespace: str, listener: Listener) -> None:
    """Does to each new KernelInstance of a namespace what the operator would: a Secret and a status."""
    tasks = set()
    async for event in cluster.watch(paths.kernel_instances(namespace), {}):
        if event["type"] == "ADDED":
            tasks.add(asyncio.create_task(_make_ready(cluster, event["object"], listener)))


async def _make_ready(cluster: Cluster, instance: dict[str, Any], listener: Listener) -> None:
    metadata = instance["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(name, metadata["uid"]),
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": instance["kind"], "name": name, "uid": metadata["uid"]}
            ],
        },
        "data": {SECRET_KEY: base64.b64encode(KEY.encode()).decode()},
    }
    connection = {
        "ip": HOST,
        "ports": listener.ports,
        "transport": "tcp",
        "signatureScheme": "hmac-sha256",
        "encryption": "Disabled",  # one listener has the keys of none of them
        "secretName": secret["metadata"]["name"],  # type: ignore[index]
    }
    if (instance["spec"].get("connection") or {}).get("keyFrom") != "Client":  # else it is there already
        await cluster.create(paths.core("secrets", namespace), secret)
    status = ready_status(connection=connection, image="idle", observedGeneration=metadata["generation"])
    await cluster.merge_patch(f"{paths.kernel_instances(namespace)}/{name}/status", {"status": status})
