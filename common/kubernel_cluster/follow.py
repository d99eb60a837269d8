"""Keeps something up to date with a collection: one list, then one watch after the other, for ever."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from typing import Any, Protocol

from .answer import failure
from .cluster import Cluster
from .errors import ApiError, ApiUnavailableError, ClusterError
from .retry import wanted_pause

# The API server sends a bookmark about once a minute: a connection that is silent for longer is dead.
SILENCE_SECONDS = 100.0
# The API server ends a watch after this time; the next one goes on from the same resourceVersion.
WATCH_SECONDS = 480
BACKOFF_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
# A watch that ends sooner and without an event has failed, whatever its status was: proxies do that.
SHORTEST_WATCH_SECONDS = 1.0
# What the API server refuses so often in a row it will go on to refuse from that version.
REFUSALS_BEFORE_RELIST = 5

log = logging.getLogger(__name__)


class Sink(Protocol):
    """What is kept up to date."""

    def replace(self, objects: list[dict[str, Any]], version: int, *, restored: bool = False) -> None:
        """Takes a complete list; ``restored`` when it is older than what came before it: etcd was restored."""

    def apply(self, event: str, obj: dict[str, Any]) -> None:
        """Takes one event: ADDED, MODIFIED or DELETED."""


class Follower:
    """Feeds a collection into a sink.

    Args:
        cluster: where it is.
        path: of the collection.
        selectors: labelSelector, fieldSelector.
        sink: what it goes into.
    """

    def __init__(self, cluster: Cluster, path: str, selectors: Mapping[str, str], sink: Sink) -> None:
        self._cluster, self._path, self._selectors, self._sink = cluster, path, selectors, sink
        self._version = 0  # from which the next watch goes on; 0: it needs a list first
        self._newest = 0
        self._failures = 0
        self._refusals = 0

    async def relist(self) -> None:
        """Takes a complete list, from which the next watch goes on.

        Raises:
            ClusterError: there is none to be had.
        """
        listing = await self._cluster.list(self._path, **self._selectors)
        self._sink.replace(listing.items, listing.version, restored=listing.version < self._newest)
        self._version = self._newest = listing.version

    async def follow_for_ever(self) -> None:
        """Watches. While the API server is away the sink keeps what it knows: nothing is dead for lack of news."""
        while True:
            try:
                if not self._version:
                    await self.relist()
                await self._watch_once()
            except ApiError as error:
                self._refusals += 1
                if error.status == 410 or self._refusals >= REFUSALS_BEFORE_RELIST:
                    self._version = 0  # what happened meanwhile shows in a new list
                await self._back_off(error)
            except ClusterError as error:
                if _is_from_the_future(error):
                    self._version = 0
                await self._back_off(error)
            except Exception as error:
                self._version = 0
                await self._back_off(error)

    async def _watch_once(self) -> None:
        query = {
            **self._selectors,
            "resourceVersion": str(self._version),
            "timeoutSeconds": str(int(WATCH_SECONDS * random.uniform(0.8, 1.2))),  # noqa: S311 - jitter
        }
        began, heard = time.monotonic(), False
        async for event in self._cluster.watch(self._path, query, silence_seconds=SILENCE_SECONDS):
            self._take(event["type"], event["object"])
            heard = True
            self._failures = self._refusals = 0
        if not heard and time.monotonic() - began < SHORTEST_WATCH_SECONDS:
            raise ApiUnavailableError(f"the watch of {self._path} ended at once")
        self._failures = self._refusals = 0

    def _take(self, kind: str, obj: dict[str, Any]) -> None:
        if kind == "ERROR":
            raise failure(f"watch {self._path}", int(obj.get("code") or 500), obj)
        if kind != "BOOKMARK":
            self._sink.apply(kind, obj)
        self._version = self._newest = int(obj["metadata"]["resourceVersion"])

    async def _back_off(self, error: Exception) -> None:
        delay = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
        self._failures += 1
        level = logging.WARNING if self._failures == len(BACKOFF_SECONDS) else logging.DEBUG
        log.log(level, "The watch of %s was interrupted: %s", self._path, str(error) or type(error).__name__)
        await asyncio.sleep(max(delay * random.uniform(0.5, 1.0), wanted_pause(error)))  # noqa: S311 - jitter


def _is_from_the_future(error: ClusterError) -> bool:
    """Whether the API server does not know that version yet, and will not for long: its etcd was restored.

    It answers 504 for that, as for many a passing trouble.
    """
    if not isinstance(error, ApiUnavailableError):
        return False
    causes = error.details.get("causes") or []
    named = any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)
    return named or "Too large resource version" in error.message
