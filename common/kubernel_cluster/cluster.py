"""The operator's connection to the API server: the official asyncio client, raw dicts in and out.

The generated models are left out on purpose: a pod is decoded 10 times faster as a dict, and what is read here is
compared, not edited.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio import client, config

from kubernel_cluster.errors import ApiError, ApiUnavailableError, ConflictError, NoLoginError

REQUEST_TIMEOUT_SECONDS = 30.0
# An object may have 1.5 MB: a page of hostile ones is 150 MB at most, and one of ordinary ones 1 MB.
PAGE_SIZE = 100
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class Listing:
    """A LIST, or a page of one, and the resourceVersion of the collection that it shows."""

    items: list[dict[str, Any]]
    version: int


class Cluster:
    """Reads and writes objects by path. One per event loop; ``async with`` it."""

    def __init__(self, api_client: Any) -> None:
        self._api = api_client

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> Cluster:
        """With the pod's own ServiceAccount, else with ``kubeconfig`` or the one in use."""
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await _load_kubeconfig(configuration, kubeconfig)
        # No limit: a burst of starts would queue behind the default of 100 and behind itself.
        configuration.connection_pool_maxsize = 0
        return cls(client.ApiClient(configuration))

    async def close(self) -> None:
        """Closes all connections."""
        await self._api.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """One request; the decoded answer.

        Raises:
            ApiError: the server refused.
            ApiUnavailableError: nothing is known.
        """
        try:
            serialized = await self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = await self._api.call_api(*serialized, _request_timeout=REQUEST_TIMEOUT_SECONDS)
            text = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            message = str(error) or type(error).__name__
            raise ApiUnavailableError(f"{method} {path}: {message}", message=message) from error
        return decoded(method, path, response.status, text, response.headers)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST to a collection."""
        return await self.request("POST", path, body=body)

    async def get(self, path: str) -> dict[str, Any]:
        """GET of an object."""
        return await self.request("GET", path)

    async def delete(self, path: str, *, uid: str | None = None) -> None:
        """DELETE in the background; an object that is gone already, or is another one by now, is success."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self.request("DELETE", path, body=body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def merge_patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PATCH with a JSON merge patch."""
        return await self.request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def pages(
        self, path: str, selectors: Mapping[str, str] | None = None, *, page_size: int = PAGE_SIZE
    ) -> AsyncIterator[Listing]:
        """LIST of a collection, page by page, for callers that keep little of each object."""
        query: dict[str, Any] = {"limit": page_size, **(selectors or {})}
        while True:
            page = await self.request("GET", path, query=query)
            metadata = page.get("metadata") or {}
            yield Listing(page.get("items") or [], int(metadata.get("resourceVersion") or 0))
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def list(self, path: str, **selectors: str) -> Listing:
        """LIST of a collection, all at once."""
        items: list[dict[str, Any]] = []
        version = 0
        async for page in self.pages(path, selectors):
            items += page.items
            version = page.version
        return Listing(items, version)


async def _load_kubeconfig(configuration: Any, path: str | None) -> None:
    try:
        await config.load_kube_config(path, client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise NoLoginError(
            f"not in a cluster, and no usable kubeconfig ({error}); set KUBECONFIG or run `kubectl config view`"
        ) from error


def decoded(method: str, path: str, status: int, text: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """An answer as a dict.

    Raises:
        ApiError: it is a refusal.
        ApiUnavailableError: it says nothing about what was asked: 429 and 5xx.
    """
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        answer = None
    if not isinstance(answer, dict):  # whatever stands between us and the API server speaks
        answer = {"message": text[:200].decode(errors="replace")}
    if status < 400:
        return answer
    reason, message = answer.get("reason") or "Unknown", answer.get("message") or ""
    details = answer.get("details")
    if status == 429 or status >= 500:
        raise ApiUnavailableError(
            f"{method} {path}: {status} {message}",
            status=status,
            reason=reason,
            message=message,
            details=details,
            retry_after=_seconds(headers.get("Retry-After")),
        )
    if status == 409 and reason == "Conflict":
        raise ConflictError(status, reason, message, details)
    raise ApiError(status, reason, message, details)


def _seconds(text: str | None) -> float | None:
    """The API server gives Retry-After in whole seconds; a date, which HTTP allows too, is nothing it sends."""
    return float(text) if text and text.isdecimal() else None
