"""A node that runs nothing: its pods become Running at once, and report as their supervisors would.

The API server, the scheduler and the operator are real; what is missing is a machine for ten thousand kernels.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

from kubernel_api.names import secret_name
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_operator.clock import rfc3339
from kubernel_wire.callback import token

Json = dict[str, Any]

LABEL = "kubernel.bench/node"
HEARTBEAT_SECONDS = 10.0
# Pods at a time, and with them connections to the callback server.
WORKERS = 16
RETRY_SECONDS = 0.5
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


async def changes(cluster: Cluster, path: str, query: dict[str, str]) -> AsyncIterator[Json]:
    """The events of a watch that begins anew whenever it ends; then everything is ADDED once more."""
    while True:
        with suppress(ClusterError):
            async for event in cluster.watch(path, query):
                if event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                    yield event
        await asyncio.sleep(RETRY_SECONDS)


class FakeNode:
    """One node. ``placement`` is what a KernelInstance's spec needs to be put there, and nothing else is."""

    def __init__(self, cluster: Cluster, name: str, operator_key: bytes, callback_url: str) -> None:
        self._cluster = cluster
        self._name = name
        self._operator_key = operator_key
        self._callback_url = callback_url
        self._queue: asyncio.Queue[Json] = asyncio.Queue()
        self._addresses = (
            f"10.{a}.{b}.{c}" for a, b, c in itertools.product(range(200, 255), range(256), range(1, 255))
        )
        self._begun: set[str] = set()
        self.placement: Json = {
            "nodeSelector": {LABEL: name},
            "tolerations": [{"key": LABEL, "operator": "Equal", "value": name, "effect": "NoSchedule"}],
        }

    @asynccontextmanager
    async def running(self, namespace: str) -> AsyncIterator[None]:
        """The node exists, and looks after its pods in that namespace."""
        await self._cluster.create("/api/v1/nodes", self._node())
        async with aiohttp.ClientSession() as session:
            work = [self._beat(), self._watch(namespace), *(self._work(session) for _ in range(WORKERS))]
            tasks = [asyncio.create_task(each) for each in work]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._cluster.delete(f"/api/v1/nodes/{self._name}")

    def _node(self) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self._name, "labels": {LABEL: self._name, "kubernetes.io/os": "linux"}},
            "spec": {"taints": [{"key": LABEL, "value": self._name, "effect": "NoSchedule"}]},
            "status": self._node_status(),
        }

    def _node_status(self) -> Json:
        size = {"cpu": "100000", "memory": "100Ti", "pods": "100000"}
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "it runs nothing",
            "lastHeartbeatTime": rfc3339(time.time()),
        }
        return {"capacity": size, "allocatable": size, "conditions": [ready]}

    async def _beat(self) -> None:
        while True:
            with suppress(ClusterError):
                path = f"/api/v1/nodes/{self._name}/status"
                await self._cluster.merge_patch(path, {"status": self._node_status()})
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _watch(self, namespace: str) -> None:
        selector = {"fieldSelector": f"spec.nodeName={self._name}"}
        async for event in changes(self._cluster, paths.core("pods", namespace), selector):
            pod = event["object"]
            uid = pod["metadata"]["uid"]
            if event["type"] == "ADDED" and uid not in self._begun:
                self._begun.add(uid)
                self._queue.put_nowait(pod)
            elif event["type"] != "DELETED" and pod["metadata"].get("deletionTimestamp"):
                self._queue.put_nowait(pod)

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            pod = await self._queue.get()
            try:
                if pod["metadata"].get("deletionTimestamp"):
                    await self._let_go(pod)
                else:
                    await self._start(session, pod)
            except ApiError:
                pass  # it is gone
            except (ClusterError, aiohttp.ClientError, TimeoutError):
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._queue.put_nowait, pod)

    async def _let_go(self, pod: Json) -> None:
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await self._cluster.request("DELETE", _path(pod), body=body)

    async def _start(self, session: aiohttp.ClientSession, pod: Json) -> None:
        ip, now = next(self._addresses), rfc3339(time.time())
        container = pod["spec"]["containers"][0]
        status = {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "startTime": now,
            "conditions": [
                *(pod["status"].get("conditions") or []),
                *({"type": type_, "status": "True", "lastTransitionTime": now} for type_ in CONDITIONS),
            ],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "sha256:" + "0" * 64,
                    "containerID": "containerd://" + "0" * 64,
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": now}},
                }
            ],
        }
        await self._cluster.merge_patch(f"{_path(pod)}/status", {"status": status})
        await self._report(session, pod, ip)

    async def _report(self, session: aiohttp.ClientSession, pod: Json, ip: str) -> None:
        """What a supervisor sends when its kernel accepts connections, again until it is taken."""
        metadata = pod["metadata"]
        owner = metadata["ownerReferences"][0]
        secret = f"{metadata['namespace']}/{secret_name(owner['name'], owner['uid'])}"
        report = {
            "secret": secret,
            "pod": metadata["name"],
            "boot": f"{random.getrandbits(64):x}",
            "sequence": 1,
            "event": "ready",
            "generation": 0,
            "state": "running",
            "ip": ip,
            "age": 0,
            "time": time.time(),
        }
        body = json.dumps(report).encode()
        key = token(self._operator_key, secret).encode()
        headers = {"X-Kubernel-Signature": hmac.new(key, body, hashlib.sha256).hexdigest()}
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.post(self._callback_url, data=body, headers=headers) as answer:
                    if answer.status < 300:
                        return
            await asyncio.sleep(RETRY_SECONDS)


def _path(pod: Json) -> str:
    return f"{paths.core('pods', pod['metadata']['namespace'])}/{pod['metadata']['name']}"
