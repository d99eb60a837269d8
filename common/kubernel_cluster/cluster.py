"""Reads, writes and watches objects on an API server by path. Raw dicts in and out.

The official client logs in; its generated models are left out on purpose: a pod is decoded 10 times faster as a dict,
and what is read here is compared, not edited.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from .answer import decoded
from .connection import Connection
from .errors import AnswerTooLargeError, ApiError, ApiUnavailableError
from .login import IN_CLUSTER, ClusterKey, in_cluster
from .retry import NONE, Patience

# Seconds for one request. The API server itself gives up on a write after 34 s.
REQUEST_TIMEOUT_SECONDS = 35.0
PAGE_SIZE = 100
# A page of ordinary objects has less than 1 MB; one of the largest that the API server takes would have 150, and three
# times that while it is decoded. So a larger page is given up, and asked for again in smaller ones.
PAGE_BYTES = 4_000_000
PAGE_SHRINKS_BY = 8
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
JSON = "application/json"
METADATA_ONLY = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# Who waits for longer is told why, once.
WORTH_A_LINE_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """A LIST, or a page of one, and the resourceVersion of the collection that it shows."""

    items: list[dict[str, Any]]
    version: int


class Cluster:
    """One per event loop.

    Args:
        connection: leads to the API server; closed with this.
        patience: how long requests are tried again.
    """

    def __init__(self, connection: Connection, patience: Patience = NONE) -> None:
        self._connection = connection
        self._patience = patience

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, product: str = "kubernel-operator") -> Cluster:
        """With the pod's own ServiceAccount, else with ``kubeconfig`` or the one in use.

        Raises:
            NoLoginError: there is no way in.
        """
        return await cls.open(ClusterKey(IN_CLUSTER if in_cluster() else kubeconfig), product)

    @classmethod
    async def open(cls, key: ClusterKey, product: str, patience: Patience = NONE) -> Cluster:
        """Logs in; makes no request yet.

        Args:
            key: which cluster.
            product: names this program in audit logs and managedFields.
            patience: how long requests are tried again.

        Raises:
            NoLoginError: there is no way in.
        """
        return cls(await Connection.open(key, product), patience)

    @property
    def host(self) -> str:
        """The API server's URL."""
        return self._connection.host

    @property
    def namespace(self) -> str:
        """The one that was asked for, else the kubeconfig's or the pod's own."""
        return self._connection.namespace

    async def close(self) -> None:
        """Closes all connections."""
        await self._connection.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        max_bytes: int | None = None,
        read: Callable[[bytes], Any] = json.loads,
    ) -> dict[str, Any]:
        """One request, tried again as patience allows; the decoded answer, as ``read`` makes it.

        Raises:
            AnswerTooLargeError: it has more than ``max_bytes``.
            ApiError: the server refused.
            ApiUnavailableError: nothing is known.
            NoLoginError: the credentials are refused, and there are no others.
        """
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                return await self._request_once(
                    method, path, query, body, content_type, accept, max_bytes=max_bytes, read=read
                )
            except ApiUnavailableError as error:
                delay = self._patience.delay(attempt, time.monotonic() - began, error)
                if delay is None:
                    raise
                level = logging.WARNING if delay >= WORTH_A_LINE_SECONDS else logging.DEBUG
                log.log(level, "Trying again in %.1f s: %s", delay, error)
            await asyncio.sleep(delay)

    async def _request_once(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        content_type: str,
        accept: str,
        *,
        max_bytes: int | None,
        read: Callable[[bytes], Any],
    ) -> dict[str, Any]:
        headers = {"Accept": accept, "Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        async with self._connection.send(
            method, path, query=query, data=data, headers=headers, seconds=REQUEST_TIMEOUT_SECONDS
        ) as answer:
            # What refuses is small, and may have been read already: the connection looks for other credentials in it.
            if max_bytes is None or answer.status >= 300:
                text = await answer.read()
            else:
                text = await _at_most(max_bytes, answer)
        return decoded(method, path, answer.status, text, answer.headers, read)

    async def time(self) -> float:
        """What the API server's clock says, in Unix seconds, whole ones; our own where it does not say.

        Raises:
            ApiUnavailableError: nobody answers.
        """
        headers = {"Accept": JSON}
        async with self._connection.send("GET", "/version", headers=headers, seconds=REQUEST_TIMEOUT_SECONDS) as answer:
            await answer.read()
            said = answer.headers.get("Date", "")
        try:
            return parsedate_to_datetime(said).timestamp()
        except ValueError:
            return time.time()

    async def open_connections(self, number: int) -> None:
        """Has that many idle connections, for WebSockets and requests that are about to come; fewer if it cannot."""
        await asyncio.gather(*(self.time() for _ in range(number)), return_exceptions=True)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST to a collection."""
        return await self.request("POST", path, body=body)

    async def get(self, path: str) -> dict[str, Any]:
        """GET of an object."""
        return await self.request("GET", path)

    async def delete(self, path: str, *, uid: str | None = None, version: str | None = None) -> None:
        """DELETE in the background; an object that is gone already, or is another one by now, is success."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid, **({"resourceVersion": version} if version else {})}
        try:
            await self.request("DELETE", path, body=body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def merge_patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PATCH with a JSON merge patch."""
        return await self.request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def json_patch(self, path: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
        """PATCH with a JSON patch (RFC 6902); one of whose tests fails is an ApiError 422."""
        return await self.request("PATCH", path, body=operations, content_type=JSON_PATCH)

    async def strategic_patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PATCH of a kind of Kubernetes' own, whose lists are merged by name."""
        return await self.request("PATCH", path, body=body, content_type=STRATEGIC_MERGE_PATCH)

    async def pages(
        self,
        path: str,
        selectors: Mapping[str, str] | None = None,
        *,
        page_size: int = PAGE_SIZE,
        metadata_only: bool = False,
        read: Callable[[bytes], Any] = json.loads,
    ) -> AsyncIterator[Listing]:
        """LIST of a collection, page by page, for callers that keep little of each object.

        ``read`` makes a page of its JSON; it may leave out what nobody wants.
        """
        query: dict[str, Any] = {"limit": page_size, **(selectors or {})}
        accept = METADATA_ONLY if metadata_only else JSON
        while True:
            limit = query["limit"]
            try:
                max_bytes = PAGE_BYTES if limit > 1 else None
                page = await self.request("GET", path, query=query, accept=accept, max_bytes=max_bytes, read=read)
            except AnswerTooLargeError:
                query["limit"] = max(1, limit // PAGE_SHRINKS_BY)
                continue
            query["limit"] = min(page_size, limit * 2)
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

    async def watch(
        self, path: str, query: Mapping[str, str], *, silence_seconds: float | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """The events of a watch, bookmarks among them, until the API server ends it.

        Args:
            path: the collection.
            query: selectors, resourceVersion, timeoutSeconds.
            silence_seconds: how long nothing at all may come.

        Raises:
            ApiError: the server refused; 410 when ``resourceVersion`` is too old.
            ApiUnavailableError: nobody answers, or not any more.
            NoLoginError: the credentials are refused, and there are no others.
        """
        query = {**query, "watch": "true", "allowWatchBookmarks": "true"}
        headers = {"Accept": JSON}
        async with AsyncExitStack() as stack:
            try:
                # Our own limit, around each wait: whatever a library forgets, this task is woken.
                async with asyncio.timeout(silence_seconds):
                    sending = self._connection.send("GET", path, query=query, headers=headers, seconds=None)
                    answer = await stack.enter_async_context(sending)
                    refusal = b"" if answer.status < 300 else await answer.read()
                if answer.status >= 300:
                    decoded("GET", path, answer.status, refusal, answer.headers)
                while True:
                    async with asyncio.timeout(silence_seconds):
                        line = await answer.content.readline()
                    if not line:
                        return
                    yield json.loads(line)
            except TimeoutError as error:
                message = f"nothing came for {silence_seconds:.0f} s"
                raise ApiUnavailableError(f"watch {path}: {message}", message=message) from error

    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The body of an answer that is no JSON, in pieces as they come.

        Raises:
            ApiError: the server refused.
            ApiUnavailableError: nobody answers.
        """
        async with self._connection.send("GET", path, query=query, headers={"Accept": "*/*"}, seconds=None) as answer:
            if answer.status >= 300:
                decoded("GET", path, answer.status, await answer.read(), answer.headers)
            async for piece in answer.content.iter_any():
                yield piece

    def websocket(self, path: str, query: Mapping[str, Any], **options: Any) -> Any:
        """See ``Connection.websocket``."""
        return self._connection.websocket(path, query, **options)


async def _at_most(max_bytes: int, answer: Any) -> bytes:
    """The body. What is left of one that is too large is not read: leaving the request closes the connection."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise AnswerTooLargeError(f"more than {max_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
