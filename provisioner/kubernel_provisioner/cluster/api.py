"""The few calls to the API server that a notebook server makes. Raw dicts in and out; lives in the background loop.

How they get there, and what is tried again, is ``kubernel_cluster``'s; what their failures mean to the person in front
of the notebook is said here.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from kubernel_cluster import paths
from kubernel_cluster.errors import ApiError, ApiUnavailableError, NoLoginError
from kubernel_cluster.login import ClusterKey
from kubernel_cluster.retry import Patience
from kubernel_provisioner.errors import ClusterError

from .api_errors import busy, explain, no_login, unreachable

if TYPE_CHECKING:  # imported by the first start: a notebook server imports this when it lists kernelspecs
    from kubernel_cluster.cluster import Cluster
    from kubernel_cluster.follow import Follower, Sink

# Someone waits for the first answer, so an API server that is really away is reported within three seconds. One that
# is there and busy, or elects a leader for its etcd, is waited for.
PATIENCE = Patience(absent=3.0, busy=30.0)
# A port-forward that was cut silently (sleep, another Wi-Fi, a NAT's memory) is given up after twice that.
HEARTBEAT_SECONDS = 10.0


class Api:
    """A logged-in API client for one namespace.

    Attributes:
        key: which cluster.
        namespace: the one all calls are about.
        round_trip: seconds of the fastest request so far; infinite before the first one.
    """

    def __init__(self, key: ClusterKey, cluster: Cluster) -> None:
        self.key = key
        self.namespace = cluster.namespace
        self.round_trip = math.inf
        self._cluster = cluster
        self.instances = paths.kernel_instances(self.namespace)
        self._leases = paths.leases(self.namespace)

    @classmethod
    async def open(cls, key: ClusterKey) -> Api:
        """Logs in; makes no request yet.

        Raises:
            ConfigurationError: there is no way in.
        """
        from kubernel_cluster.cluster import Cluster

        try:
            return cls(key, await Cluster.open(key, "kubernel-provisioner", PATIENCE))
        except NoLoginError as error:
            raise no_login(error, key) from error

    async def close(self) -> None:
        """Closes its connections."""
        await self._cluster.close()

    @contextmanager
    def words_for_people(self) -> Iterator[None]:
        """Turns what can go wrong on the way into errors for people; refusals pass: see ``explain``."""
        try:
            yield
        except NoLoginError as error:
            raise no_login(error, self.key) from error
        except ApiUnavailableError as error:
            say = unreachable if error.status is None else busy
            raise say(self.key, self._cluster.host, error) from error

    async def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        """One request, tried again while the API server is busy, or away for a moment.

        Raises:
            ApiError: it answered with an error.
            KernelError: nobody answered, or there are no credentials.
        """
        began = time.monotonic()
        with self.words_for_people():
            answer = await self._cluster.request(method, path, body=body)
        self.round_trip = min(self.round_trip, time.monotonic() - began)
        return answer

    async def open_connections(self, number: int) -> None:
        """Has connections ready for so many of ``connect_port``: far away, their handshakes take most of its time."""
        await self._cluster.open_connections(number)

    def follower(self, selector: str, sink: Sink) -> Follower:
        """Keeps ``sink`` up to date with the KernelInstances that have these labels."""
        from kubernel_cluster.follow import Follower

        return Follower(self._cluster, self.instances, {"labelSelector": selector}, sink)

    # KernelInstances.

    async def create_instance(self, instance: dict[str, Any]) -> dict[str, Any]:
        """Posts a KernelInstance."""
        return await self.request("POST", self.instances, body=instance)

    async def read_instance(self, name: str) -> dict[str, Any]:
        """Reads a KernelInstance."""
        return await self.request("GET", f"{self.instances}/{name}")

    async def patch_instance(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Merges ``patch`` into a KernelInstance."""
        with self.words_for_people():
            return await self._cluster.merge_patch(f"{self.instances}/{name}", patch)

    async def delete_instance(self, name: str, uid: str, version: str) -> None:
        """Deletes a KernelInstance and all it owns, if it is still that one, and unchanged; see ``ownership``."""
        preconditions = {"uid": uid, "resourceVersion": version}
        options = {"preconditions": preconditions, "propagationPolicy": "Background"}
        await self.request("DELETE", f"{self.instances}/{name}", body=options)

    async def list_instances(self, selector: str = "") -> list[dict[str, Any]]:
        """The KernelInstances with these labels."""
        return await self.list_all(self.instances, selector)

    async def list_all(self, path: str, selector: str = "") -> list[dict[str, Any]]:
        """The objects of a collection with these labels."""
        selectors = {"labelSelector": selector} if selector else {}
        with self.words_for_people():
            return (await self._cluster.list(path, **selectors)).items

    # The rest.

    async def create_secret(self, secret: dict[str, Any]) -> None:
        """Posts a Secret."""
        await self.request("POST", paths.core("secrets", self.namespace), body=secret)

    async def read_secret(self, name: str) -> dict[str, str]:
        """``data`` of a Secret, base64."""
        secrets = paths.core("secrets", self.namespace)
        return dict((await self.request("GET", f"{secrets}/{name}")).get("data") or {})

    @asynccontextmanager
    async def connect_port(self, pod: str, port: int) -> AsyncIterator[Any]:
        """An open WebSocket to a port of a pod; see ``port_forward`` for what goes over it.

        Raises:
            ApiError: the API server, or the kubelet, does not allow it.
            KernelError: nobody answered, or there are no credentials.
        """
        import aiohttp

        path = f"{paths.core('pods', self.namespace)}/{pod}/portforward"
        options = {"protocols": ["v4.channel.k8s.io"], "heartbeat": HEARTBEAT_SECONDS}
        with self.words_for_people():
            try:
                async with self._cluster.websocket(path, {"ports": port}, **options) as socket:
                    yield socket
            except aiohttp.WSServerHandshakeError as error:
                raise ApiError(error.status, "", f"port-forward to pod {pod}: {error.message}") from error

    async def pod_log(self, pod: str, query: dict[str, str]) -> AsyncIterator[bytes]:
        """A pod's log, in pieces.

        Raises:
            ApiError: there is none, or it may not be read.
        """
        with self.words_for_people():
            async for piece in self._cluster.stream(f"{paths.core('pods', self.namespace)}/{pod}/log", query):
                yield piece

    async def create_lease(self, lease: dict[str, Any]) -> None:
        """Posts a Lease."""
        await self.request("POST", self._leases, body=lease)

    async def patch_lease(self, name: str, patch: dict[str, Any]) -> None:
        """Merges ``patch`` into a Lease."""
        with self.words_for_people():
            await self._cluster.merge_patch(f"{self._leases}/{name}", patch)

    async def delete_lease(self, name: str) -> None:
        """Deletes a Lease; fine when it is gone."""
        with self.words_for_people():
            await self._cluster.delete(f"{self._leases}/{name}")

    def explain(self, error: ApiError, doing: str) -> ClusterError:
        """The error for people; see ``api_errors.explain``."""
        return explain(error, doing, self.key, self.namespace)
