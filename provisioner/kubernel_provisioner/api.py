"""The few calls to the API server that a notebook server makes. Raw dicts in and out; errors speak to people.

Built on ``kubernetes.aio``'s ApiClient: its login, TLS, proxy and pool, without its models. Lives in the background
loop.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

from kubernel_api.constants import GROUP, PLURAL, VERSION

from .api_errors import ApiStatusError, explain, unreachable
from .errors import ClusterError, ClusterUnreachableError
from .login import ClusterKey, Login, login

# Seconds for one request. The API server itself gives up on a write after 34 s.
REQUEST_SECONDS = 35.0
CONNECT_SECONDS = 5.0
# Seconds before a request is tried again that met a busy or absent API server. Someone waits for the first answer, so
# an API server that is really away is reported within three seconds.
RETRY_SECONDS = (0.1, 0.4, 1.0)
# ... and one that swallows packets, where each attempt takes as long as a connection may, after one attempt.
RETRY_WINDOW_SECONDS = 3.0
RETRIED_STATUS = frozenset({401, 429, 500, 502, 503, 504})

MERGE_PATCH = "application/merge-patch+json"
INSTANCES = f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
SECRETS = "/api/v1/namespaces/{namespace}/secrets"


class Api:
    """A logged-in API client for one namespace.

    Attributes:
        namespace: the one all calls are about; known after ``open``.
    """

    def __init__(self, key: ClusterKey, granted: Login, client: Any) -> None:
        self.key = key
        self.namespace = granted.namespace
        self._client = client
        self._websockets: Any = None

    @classmethod
    async def open(cls, key: ClusterKey) -> Api:
        """Logs in; makes no request yet.

        Raises:
            ConfigurationError: no usable kubeconfig.
        """
        granted = await login(key)
        return cls(key, granted, _new_client(granted))

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """One request, tried again while the API server is busy or away for a moment.

        Raises:
            ApiStatusError: it answered with an error.
            ClusterUnreachableError: nobody answered.
        """
        give_up = time.monotonic() + RETRY_WINDOW_SECONDS
        delays = iter(RETRY_SECONDS)
        while True:
            used = self._client
            try:
                return await self._request_once(method, path, query, body, content_type)
            except (ApiStatusError, ClusterUnreachableError) as error:
                delay = next(delays, None)
                status = error.status if isinstance(error, ApiStatusError) else None
                is_final = status is not None and status not in RETRIED_STATUS
                if is_final or delay is None or time.monotonic() > give_up:
                    raise
                if status == 401:
                    await self.renew_login(used)
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    async def _request_once(
        self, method: str, path: str, query: dict[str, str] | None, body: Any, content_type: str
    ) -> dict[str, Any]:
        response = await self._send(method, path, query, body, content_type, seconds=REQUEST_SECONDS)
        async with response:
            text = await self._read(response)
        answer: dict[str, Any] = json.loads(text)
        return answer

    async def watch(self, path: str, query: dict[str, str], *, silence_seconds: float) -> AsyncIterator[dict[str, Any]]:
        """The events of a watch until the API server ends it.

        Raises:
            ApiStatusError: it answered with an error; 410 when ``resourceVersion`` is too old.
            ClusterUnreachableError: nobody answered, or nothing came for ``silence_seconds``.
        """
        query = {**query, "watch": "true", "allowWatchBookmarks": "true"}
        response = await self._send("GET", path, query, None, "application/json", seconds=None, silence=silence_seconds)
        async with response:
            if response.status >= 300:
                await self._read(response)
            async for line in self._lines(response):
                yield json.loads(line)

    async def _lines(self, response: Any) -> AsyncIterator[bytes]:
        import aiohttp

        try:
            async for line in response.content:
                yield line
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self.key, self._client.configuration.host, error) from error

    async def _send(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None,
        body: Any,
        content_type: str,
        *,
        seconds: float | None,
        silence: float | None = None,
    ) -> Any:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS, sock_read=silence)
        try:
            request = await self._serialize(method, path, query, body, content_type)
            return (await self._client.call_api(*request, _request_timeout=timeout)).response
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self.key, self._client.configuration.host, error) from error

    async def _serialize(
        self, method: str, path: str, query: dict[str, str] | None, body: Any, content_type: str
    ) -> Any:
        return await self._client.param_serialize(
            method,
            path,
            path_params={"namespace": self.namespace},
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )

    async def _read(self, response: Any) -> bytes:
        """The body of an answer.

        Raises:
            ApiStatusError: the answer is an error.
        """
        text: bytes = await response.read()
        if response.status >= 300:
            raise ApiStatusError.of(response.status, text)
        return text

    async def renew_login(self, refused: Any = None) -> None:
        """Logs in anew: a token may have run out since the kubeconfig was read.

        Args:
            refused: the client whose credentials were refused; nothing is done when another one has replaced it.
        """
        if refused is not None and refused is not self._client:
            return
        old, self._websockets = self._client, None
        self._client = _new_client(await login(self.key))
        await old.close()

    # KernelInstances.

    async def create_instance(self, instance: dict[str, Any]) -> dict[str, Any]:
        """Posts a KernelInstance."""
        return await self.request("POST", INSTANCES, body=instance)

    async def read_instance(self, name: str) -> dict[str, Any]:
        """Reads a KernelInstance."""
        return await self.request("GET", f"{INSTANCES}/{name}")

    async def patch_instance(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Merges ``patch`` into a KernelInstance."""
        return await self.request("PATCH", f"{INSTANCES}/{name}", body=patch, content_type=MERGE_PATCH)

    async def delete_instance(self, name: str, uid: str) -> None:
        """Deletes a KernelInstance and all it owns; fine when it is gone or another one has its name."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self.request("DELETE", f"{INSTANCES}/{name}", body=options)
        except ApiStatusError as error:
            if error.status not in (404, 409):
                raise

    async def list_instances(self, selector: str) -> dict[str, Any]:
        """The KernelInstances with these labels."""
        return await self.request("GET", INSTANCES, query={"labelSelector": selector} if selector else {})

    # The rest.

    async def read_secret(self, name: str) -> dict[str, str]:
        """``data`` of a Secret, base64."""
        return dict((await self.request("GET", f"{SECRETS}/{name}")).get("data") or {})

    async def connect_port(self, pod: str, port: int) -> Any:
        """An open WebSocket to a port of a pod; see ``port_forward`` for what goes over it.

        Raises:
            ApiStatusError: the API server, or the kubelet, does not allow it.
            ClusterUnreachableError: nobody answered.
        """
        import aiohttp
        from kubernetes.aio.stream import WsApiClient

        path = f"/api/v1/namespaces/{{namespace}}/pods/{pod}/portforward"
        client = self._websockets
        if client is None:
            client = self._websockets = WsApiClient(self._client.configuration)  # type: ignore[no-untyped-call]
            client.rest_client = self._client.rest_client  # one session for both
        method, url, headers, *_ = await self._serialize("GET", path, {"ports": str(port)}, None, "application/json")
        try:
            # The API server takes a WebSocket that accepts JSON only for a mistake: 406.
            headers = {**headers, "Accept": "*/*"}
            answer = await client.call_api(method, url, header_params=headers, _preload_content=False)
            return await answer.response
        except aiohttp.WSServerHandshakeError as error:
            raise ApiStatusError(error.status, "", f"port-forward to pod {pod}: {error.message}", {}) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self.key, self._client.configuration.host, error) from error

    async def create_lease(self, lease: dict[str, Any]) -> None:
        """Posts a Lease."""
        await self.request("POST", LEASES, body=lease)

    async def patch_lease(self, name: str, patch: dict[str, Any]) -> None:
        """Merges ``patch`` into a Lease."""
        await self.request("PATCH", f"{LEASES}/{name}", body=patch, content_type=MERGE_PATCH)

    async def delete_lease(self, name: str) -> None:
        """Deletes a Lease."""
        await self.request("DELETE", f"{LEASES}/{name}")

    def explain(self, error: ApiStatusError, doing: str) -> ClusterError:
        """The error for people; see ``api_errors.explain``."""
        return explain(error, doing, self.key, self.namespace)


def _new_client(granted: Login) -> Any:
    from kubernetes.aio.client import ApiClient

    client = ApiClient(granted.configuration)
    client.user_agent = "kubernel-provisioner"
    return client
