"""The Lease that says this process is alive. When it runs out, the operator deletes the kernels that name it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from kubernel_api.constants import LABEL_MANAGED_BY, LABEL_MANAGED_BY_VALUE, LABEL_SERVER
from kubernel_cluster.errors import ApiError, ApiUnavailableError

from .api import Api

# A server in a pod is away for as long as its node is lost or its network is mended; a laptop, over night. An outage of
# ten minutes is to be survived with minutes to spare: the last renewal was a while before it, the next is one after it.
IN_A_POD_SECONDS = 900
OUTSIDE_SECONDS = 86_400
# A Lease that no kernel has asked for yet, for instance of a process that only deletes.
SHORTEST_SECONDS = 60
# Four renewals may be lost before a Lease of a minute ends. A longer one is renewed as often: who looks at it with
# kubectl sees from it that the server is there.
RENEW_SECONDS = 15.0
# A network that works again finds a Lease renewed within 5 s: a connection that has just been tried in vain takes 3.
RETRY_SECONDS = 2.0
# A namespace that is gone may be made again. No kernel is in it until then, and the first one renews the Lease itself.
GONE_SECONDS = 240.0
# Worth a line in the log.
WARN_AFTER_FAILURES = 4

log = logging.getLogger(__name__)


def lease_name(server: str) -> str:
    """The Lease of a process."""
    return f"kubernel-server-{server}"


def build_lease(server: str, seconds: int, now: datetime) -> dict[str, Any]:
    """A Lease of that process, valid for this many seconds from ``now`` (UTC)."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": lease_name(server),
            "labels": {LABEL_SERVER: server, LABEL_MANAGED_BY: LABEL_MANAGED_BY_VALUE},
        },
        "spec": {
            "holderIdentity": server,
            "leaseDurationSeconds": seconds,
            "acquireTime": _micro_time(now),
            "renewTime": _micro_time(now),
        },
    }


def _micro_time(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_after(error: Exception) -> float:
    """How long a renewal that failed so is waited with until the next one."""
    if isinstance(error, ApiUnavailableError) and error.status is None:
        return RETRY_SECONDS
    # Of the Lease itself it would have been an answer to make it anew.
    return GONE_SECONDS if isinstance(error, ApiError) and error.status == 404 else RENEW_SECONDS


class Lease:
    """One for all kernels of this process in a namespace, as long as the most patient of them asks for.

    Args:
        api: where it is.
        server: the process.
        seconds: that it lasts.
        on_return: called when it is renewed after it could not be: there is an API server again.

    Attributes:
        name: its name.
        seconds: how long after its last renewal the kernels are orphans.
    """

    def __init__(self, api: Api, server: str, seconds: int, on_return: Callable[[], None] = lambda: None) -> None:
        self._api, self._server, self._on_return = api, server, on_return
        self.name = lease_name(server)
        self.seconds = max(seconds, 1)
        self._is_due = asyncio.Event()
        self._is_doubtful = False

    async def create(self) -> None:
        """Creates the Lease; one that exists already is this process's own, from a moment ago."""
        try:
            await self._api.create_lease(build_lease(self._server, self.seconds, datetime.now(UTC)))
        except ApiError as error:
            if error.status != 409:
                raise

    async def last(self, seconds: int) -> None:
        """Makes it last at least this many seconds from now on; and makes it anew where it may be gone.

        Raises:
            ApiError: the API server does not allow it.
            KubernelError: it does not answer.
        """
        if seconds > self.seconds or self._is_doubtful:
            was_doubtful, before, self.seconds = self._is_doubtful, self.seconds, max(seconds, self.seconds)
            try:
                await self._renew()
            except BaseException:
                self.seconds = before
                raise
            if was_doubtful:
                self.renew_soon()  # it has kernels now, and its next renewal may be minutes away

    def renew_soon(self) -> None:
        """Renews it at once: nobody knows for how long this process was away."""
        self._is_due.set()

    async def renew_for_ever(self) -> None:
        """Renews it every 15 s, sooner when nobody answers, and more seldom while its namespace is gone."""
        failures, delay = 0, RENEW_SECONDS
        while True:
            await self._until_due(delay)
            delay = RENEW_SECONDS
            try:
                await self._renew()
                if failures:
                    failures = 0
                    self._on_return()
            except Exception as error:
                failures += 1
                delay = seconds_after(error)
                level = logging.WARNING if failures == WARN_AFTER_FAILURES else logging.DEBUG
                said = str(error) or type(error).__name__
                log.log(level, "Lease %s in %s was not renewed: %s", self.name, self._api.namespace, said)

    async def _until_due(self, delay: float) -> None:
        if delay <= RENEW_SECONDS:
            delay = min(delay, self.seconds / 4)
        with suppress(TimeoutError):
            async with asyncio.timeout(delay * random.uniform(0.9, 1.1)):  # noqa: S311 - jitter
                await self._is_due.wait()
        self._is_due.clear()

    async def _renew(self) -> None:
        self._is_doubtful = True
        spec = {"renewTime": _micro_time(datetime.now(UTC)), "leaseDurationSeconds": self.seconds}
        try:
            await self._api.patch_lease(self.name, {"spec": spec})
        except ApiError as error:
            if error.status != 404:
                raise
            await self.create()
        self._is_doubtful = False
