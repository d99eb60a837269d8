"""Keeps a view up to date: one list, then one watch, for ever."""

from __future__ import annotations

import asyncio
import logging
import random

from .api import INSTANCES, Api
from .api_errors import ApiStatusError
from .errors import KubernelError
from .view import View

# The API server sends a bookmark about once a minute: a connection that is silent for longer is dead, and TCP alone
# would not notice for hours.
SILENCE_SECONDS = 100.0
# The API server ends a watch after so long; the next one goes on from the same resourceVersion.
WATCH_SECONDS = 480
BACKOFF_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)

log = logging.getLogger(__name__)


class Follower:
    """Feeds the KernelInstances with these labels into a view.

    Args:
        api: where they are.
        selector: label selector.
        view: what they go into.
    """

    def __init__(self, api: Api, selector: str, view: View) -> None:
        self._api, self._selector, self._view = api, selector, view
        self._version = ""
        self._failures = 0

    async def relist(self) -> None:
        """Takes a complete list, from which the next watch goes on."""
        answer = await self._api.list_instances(self._selector)
        self._version = answer["metadata"]["resourceVersion"]
        self._view.replace(answer["items"], self._version)

    async def follow_for_ever(self) -> None:
        """Watches. While the API server is away the view keeps what it knows: nothing is ever dead for lack of news."""
        while True:
            try:
                if not self._version:
                    await self.relist()
                await self._watch_once()
                self._failures = 0
            except ApiStatusError as error:
                await self._after_refusal(error)
            except KubernelError as error:
                await self._back_off(error)
            except Exception as error:
                self._version = ""
                await self._back_off(error)

    async def _watch_once(self) -> None:
        query = {
            "labelSelector": self._selector,
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(WATCH_SECONDS * random.uniform(0.8, 1.2))),  # noqa: S311 - jitter
        }
        async for event in self._api.watch(INSTANCES, query, silence_seconds=SILENCE_SECONDS):
            self._take(event["type"], event["object"])
            self._failures = 0

    def _take(self, kind: str, instance: dict[str, object]) -> None:
        if kind == "ERROR":
            raise ApiStatusError(
                int(str(instance.get("code") or 500)), str(instance.get("reason")), str(instance.get("message")), {}
            )
        if kind != "BOOKMARK":
            self._view.apply(kind, instance)
        self._version = instance["metadata"]["resourceVersion"]  # type: ignore[index]

    async def _after_refusal(self, error: ApiStatusError) -> None:
        if error.status == 410:  # too old to go on from: what happened meanwhile shows in a new list
            self._version = ""
        if error.status == 401:
            await self._api.renew_login()
        await self._back_off(error)

    async def _back_off(self, error: Exception) -> None:
        delay = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
        self._failures += 1
        log.log(
            logging.WARNING if self._failures == len(BACKOFF_SECONDS) else logging.DEBUG,
            "The watch of KernelInstances in namespace %s was interrupted: %s",
            self._api.namespace,
            error,
        )
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
