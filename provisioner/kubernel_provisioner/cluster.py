"""One namespace of one cluster as this process uses it: API client, Lease and view, opened once and shared."""

from __future__ import annotations

import asyncio
from typing import Any

from kubernel_api.constants import LABEL_SERVER

from .api import Api
from .api_errors import ApiStatusError
from .background import Background
from .lease import create_lease, lease_name, renew_for_ever
from .login import ClusterKey
from .view import View
from .watch import Follower


class Cluster:
    """Lives in the background loop; ``view`` may be read from anywhere.

    Attributes:
        server: this process, in labels.
        lease: name of the Lease; it exists before any KernelInstance does.
        direct: whether the cluster's own addresses were seen to answer; None while that is not known.
    """

    def __init__(self, api: Api, server: str) -> None:
        self.api = api
        self.server = server
        self.lease = lease_name(server)
        self.view = View()
        self.direct: bool | None = None
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
        self._tasks = [
            asyncio.create_task(follower.follow_for_ever()),
            asyncio.create_task(renew_for_ever(self.api, self.server)),
        ]

    async def close(self) -> None:
        """Ends the watch and the renewals; deletes the Lease unless kernels still live under it."""
        for task in self._tasks:
            task.cancel()
        if len(self.view) == 0:
            await self.api.delete_lease(self.lease)
        await self.api.close()


async def shared_cluster(key: ClusterKey, background: Background) -> Cluster:
    """The process's Cluster for that key, opened by whoever asks first. Only in the background loop.

    Raises:
        KubernelError: as ``Cluster.open``; the next caller tries again.
    """
    lock = background.shared.setdefault((key, "lock"), asyncio.Lock())
    async with lock:
        if key not in background.shared:
            background.shared[key] = await Cluster.open(key, background.server)
        cluster: Cluster = background.shared[key]
        return cluster
