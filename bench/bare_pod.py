"""The baseline: what a person would write by hand. A pod, watched through the API, connected to when it runs.

It is the fastest of the plain ways that were tried: the key comes from a Secret as an environment variable (a Secret
as a volume costs the kubelet 0.3 s more), there is no readiness probe, and all objects are created at the same time.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from kernel_info import answering_client

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster

PORTS = {"shell_port": 9001, "iopub_port": 9002, "stdin_port": 9003, "control_port": 9004, "hb_port": 9005}
FILE = '{"ip": "0.0.0.0", "transport": "tcp", "signature_scheme": "hmac-sha256", "key": "%s", %s}'
SCRIPT = f"""umask 077; printf '{FILE}' "$KEY" "$PORTS" > /tmp/connection.json; unset KEY
exec python3 -m ipykernel_launcher -f /tmp/connection.json"""


class BarePod:
    """A kernel in a pod without any of our software.

    Args:
        cluster: the API server.
        namespace: where to create it.
        image: with ipykernel.
        service: whether clients connect through a ClusterIP Service instead of the pod's address.
    """

    def __init__(self, cluster: Cluster, namespace: str, image: str, *, service: bool) -> None:
        self._cluster, self._namespace, self._image, self._service = cluster, namespace, image, service
        self._name = f"bare-{secrets.token_hex(4)}"
        self.client: AsyncKernelClient | None = None

    async def start(self) -> None:
        """Returns when the kernel has answered kernel_info."""
        key = secrets.token_hex(32)
        service, _, _ = await asyncio.gather(self._create_service(), self._create_secret(key), self._create_pod())
        pod_ip = await self._until_running()
        info: dict[str, Any] = {**PORTS, "ip": service or pod_ip, "key": key.encode(), "transport": "tcp"}
        self.client = await answering_client({**info, "signature_scheme": "hmac-sha256"})

    async def stop(self) -> None:
        """Deletes everything."""
        if self.client is not None:
            self.client.stop_channels()
        for resource in ("pods", "secrets", *(["services"] if self._service else [])):
            await self._cluster.delete(f"{paths.core(resource, self._namespace)}/{self._name}")

    async def _create_service(self) -> str | None:
        if not self._service:
            return None
        spec = {"selector": {"bench": self._name}, "ports": [{"name": n[:-5], "port": p} for n, p in PORTS.items()]}
        created = await self._create("services", {"kind": "Service", "spec": spec})
        return str(created["spec"]["clusterIP"])

    async def _create_secret(self, key: str) -> None:
        data = {"key": base64.b64encode(key.encode()).decode()}
        await self._create("secrets", {"kind": "Secret", "immutable": True, "data": data})

    async def _create_pod(self) -> None:
        ports = json.dumps(PORTS)[1:-1]
        container = {
            "name": "kernel",
            "image": self._image,
            "args": ["sh", "-c", SCRIPT],
            "env": [
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": self._name, "key": "key"}}},
                {"name": "PORTS", "value": ports},
            ],
        }
        spec = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            # Python as process 1 ignores SIGTERM: after the default of 30 s it would end in another contender's turn.
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
        }
        await self._create("pods", {"kind": "Pod", "spec": spec})

    async def _create(self, resource: str, body: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": self._name, "labels": {"bench": self._name}}
        path = paths.core(resource, self._namespace)
        return await self._cluster.create(path, {"apiVersion": "v1", "metadata": metadata, **body})

    async def _until_running(self) -> str:
        """The pod's address, as soon as a watch shows it running."""
        query = {"fieldSelector": f"metadata.name={self._name}"}
        async for event in self._cluster.watch(paths.core("pods", self._namespace), query):
            status = event["object"].get("status") or {}
            if status.get("phase") == "Running" and status.get("podIP"):
                return str(status["podIP"])
            if status.get("phase") in ("Failed", "Succeeded"):
                raise RuntimeError(f"bare pod {self._name}: {status}")
        raise RuntimeError(f"the watch of pod {self._name} ended")
