"""One namespace of one cluster as this process uses it: API client, Lease and view, opened once and shared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from kubernel_api.constants import LABEL_SERVER

from .api import Api
from .api_errors import ApiStatusError
from .background import Background
from .errors import KubernelError
from .lease import create_lease, lease_name, renew_for_ever
from .login import ClusterKey
from .view import View
from .watch import Follower

# A server without kernels in a namespace leaves it alone after so long.
RETIRE_SECONDS = 300.0


class Cluster:
    """Lives in the background loop; ``view`` may be read from anywhere.

    Attributes:
        server: this process, in labels.
        lease: name of the Lease; it exists before any KernelInstance does.
        direct: whether the cluster's own addresses were seen to answer; None while that is not known.
        given_out: uids of KernelInstances that another process may take over.
    """

    def __init__(self, api: Api, server: str) -> None:
        self.api = api
        self.server = server
        self.lease = lease_name(server)
        self.view = View()
        self.direct: bool | None = None
        self.given_out: set[str] = set()
        self.last_used = time.monotonic()
        self._tasks: list[asyncio.Task[Any]] = []

    @classmethod
    async def open(cls, key: ClusterKey, server: str) -> Cluster:
        """Logs in, creates the Lease, takes the first list and starts to watch and renew.

        Raises:
            KubernelError: the cluster cannot be used; nothing is left running.
        """
        cluster = cls(await Api.open(key), server)
        try:
            await cluster._start()
        except BaseException:
            await cluster.api.close()
            raise
        return cluster

    async def _start(self) -> None:
        follower = Follower(self.api, f"{LABEL_SERVER}={self.server}", self.view)
        try:
            await create_lease(self.api, self.server)
        except ApiStatusError as error:
            raise self.api.explain(error, "create a Lease for this server") from error
        try:
            await follower.relist()
        except ApiStatusError as error:
            raise self.api.explain(error, "list KernelInstances") from error
        self.run(follower.follow_for_ever())
        self.run(renew_for_ever(self.api, self.server))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something until the Cluster is closed."""
        self._tasks.append(asyncio.create_task(work))

    @property
    def is_idle(self) -> bool:
        """Whether no kernel lives in it, and none was started for a while."""
        return len(self.view) == 0 and time.monotonic() - self.last_used > RETIRE_SECONDS

    async def close(self) -> None:
        """Ends the watch and the renewals, and deletes the kernels that nobody has shut down, then the Lease.

        A local kernel would end with its process, too. Only those that were given out live on, until the Lease ends.
        """
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        living = self.view.living()
        left = [seen for seen in living if seen.uid not in self.given_out]
        try:
            await asyncio.gather(*(self.api.delete_instance(seen.name, seen.uid) for seen in left))
            if left == living:
                await self.api.delete_lease(self.lease)
        finally:
            await self.api.close()


async def shared_cluster(key: ClusterKey, background: Background) -> Cluster:
    """The process's Cluster for that key, opened by whoever asks first. Only in the background loop.

    Raises:
        KubernelError: as ``Cluster.open``; the next caller tries again.
    """
    lock = background.shared.setdefault((key, "lock"), asyncio.Lock())
    async with lock:
        if key not in background.shared:
            opened = await Cluster.open(key, background.server)
            opened.run(_retire_when_idle(key, opened, background))
            background.shared[key] = opened
        cluster: Cluster = background.shared[key]
        cluster.last_used = time.monotonic()
        return cluster


async def _retire_when_idle(key: ClusterKey, cluster: Cluster, background: Background) -> None:
    while not cluster.is_idle:  # noqa: ASYNC110 - time passes, nothing else happens
        await asyncio.sleep(RETIRE_SECONDS / 5)
    del background.shared[key]
    with suppress(KubernelError, ApiStatusError):  # the namespace may be gone, and the Lease with it
        await cluster.close()
