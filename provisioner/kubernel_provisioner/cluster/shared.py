"""One namespace of one cluster as this process uses it: API client, Lease and view, opened once and shared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kubernel_api.constants import LABEL_SERVER
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey, kubeconfig_path
from kubernel_provisioner.errors import KubernelError
from kubernel_provisioner.ownership import delete_own, read_if_same, server_of

from .api import Api
from .background import Background
from .lease import SHORTEST_SECONDS, Lease
from .pools import Pools
from .view import Seen, View
from .wake_up import on_wake_up

if TYPE_CHECKING:
    from kubernel_cluster.follow import Follower

# A server without kernels in a namespace leaves it alone after this time.
RETIRE_SECONDS = 300.0
FIND_OUT_RETRY_SECONDS = 1.0


class Cluster:
    """Lives in the background loop; ``view`` may be read from anywhere.

    Attributes:
        server: this process, in labels.
        lease: the Lease; it exists before any KernelInstance does.
        direct: whether the cluster's own addresses were seen to answer; None while that is not known.
        is_around: whether this process is in a pod of it: it has logged in with the pod's own account.
        pools: of the namespace.
        given_out: uids of KernelInstances that another process may take over.
    """

    def __init__(self, api: Api, server: str, orphan_after: int = SHORTEST_SECONDS, *, is_around: bool = False) -> None:
        self.api = api
        self.is_around = is_around
        self.server = server
        self.lease = Lease(api, server, orphan_after, self._watch_anew)
        self.pools = Pools(api)
        self.view = View()
        self.direct: bool | None = None
        self.given_out: set[str] = set()
        self.last_used = time.monotonic()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._following: asyncio.Task[Any] | None = None

    @classmethod
    async def open(cls, key: ClusterKey, server: str, orphan_after: int = SHORTEST_SECONDS) -> Cluster:
        """Logs in, creates the Lease, takes the first list and starts to watch and renew.

        Args:
            key: which cluster.
            server: random name of this process.
            orphan_after: seconds that the Lease lasts.

        Raises:
            KubernelError: the cluster cannot be used; nothing is left running.
        """
        is_around = kubeconfig_path(key) is None
        cluster = cls(await Api.open(key), server, orphan_after, is_around=is_around)
        try:
            await cluster._start()
        except BaseException:
            await cluster.api.close()
            raise
        return cluster

    async def _start(self) -> None:
        follower = self._new_follower()
        listing = asyncio.create_task(self._list(follower))  # far away, both at once are a second less
        try:
            await self.lease.create()
            await listing
        except ApiError as error:
            raise self.api.explain(error, "create a Lease for this server") from error
        finally:
            listing.cancel()
            await asyncio.gather(listing, return_exceptions=True)
        self._following = self.run(follower.follow_for_ever())
        self.run(self.lease.renew_for_ever())
        self.run(on_wake_up(self.look_anew))

    async def _list(self, follower: Follower) -> None:
        try:
            with self.api.words_for_people():
                await follower.relist()
        except ApiError as error:
            raise self.api.explain(error, "list KernelInstances") from error

    def _new_follower(self) -> Follower:
        return self.api.follower(f"{LABEL_SERVER}={self.server}", self)

    def apply(self, event: str, obj: dict[str, Any]) -> None:
        """Takes one event of the watch."""
        known = self.view.get(obj["metadata"]["name"])
        self.pools.hear(obj)
        if event != "DELETED":
            self.view.apply(event, obj)
        elif known is not None and not known.gone and known.uid == obj["metadata"]["uid"]:
            self.run(self._find_out(known))

    def replace(self, objects: list[dict[str, Any]], version: int, *, restored: bool = False) -> None:
        """Takes a complete list."""
        missing: list[Seen] = []
        self.view.replace(objects, version, restored=restored, missing=missing.append)
        for seen in missing:
            self.run(self._find_out(seen))

    async def _find_out(self, seen: Seen) -> None:
        """What a watch of this server's kernels calls deleted may have been taken over by another server."""
        while True:
            try:
                found = await read_if_same(self.api, seen.name, seen.uid)
            except ApiError:  # the right to read is gone, or the namespace
                found = None
            except KubernelError:
                await asyncio.sleep(FIND_OUT_RETRY_SECONDS)
                continue
            if found is not None and server_of(found) == self.server:
                self.view.offer(found)
            else:
                self.view.lose(seen, taken=found is not None)
            return

    def look_anew(self) -> None:
        """After a sleep, or silence: the watch's connection may be long dead, and the operator doubts this process."""
        self.lease.renew_soon()
        self._watch_anew()

    def _watch_anew(self) -> None:
        if self._following is not None:
            self._following.cancel()
        self._following = self.run(self._new_follower().follow_for_ever())  # begins with a list

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs something until the Cluster is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def is_idle(self) -> bool:
        """Whether no kernel lives in it, and none was started for a while."""
        return len(self.view) == 0 and time.monotonic() - self.last_used > RETIRE_SECONDS

    async def close(self) -> None:
        """Ends the watch and the renewals, and deletes the kernels that nobody has shut down, then the Lease.

        A local kernel would end with its process, too. Only those that were given out live on, until the Lease ends.
        """
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        living = self.view.living()
        left = [seen for seen in living if seen.uid not in self.given_out]
        deletions = (delete_own(self.api, s.name, s.uid, str(s.version), self.server) for s in left)
        try:
            # All of them are tried; one that is refused is deleted when the Lease ends.
            answers = await asyncio.gather(*deletions, return_exceptions=True)
            for seen, answer in zip(left, answers, strict=True):
                if not isinstance(answer, BaseException):
                    self.view.forget(seen.name, seen.uid)
            if left == living and not any(isinstance(answer, BaseException) for answer in answers):
                await self.api.delete_lease(self.lease.name)
        finally:
            await self.api.close()

    def left_behind(self) -> str:
        """After ``close``, or as far as that came: which kernels nobody has deleted, for people; empty for none."""
        names = sorted(seen.name for seen in self.view.living() if seen.uid not in self.given_out)
        if not names:
            return ""
        command = f"{self.api.key.kubectl()} delete kernels -n {self.api.namespace} {' '.join(names)}"
        return (
            f"Not deleted as this process ended: {', '.join(names)}. "
            f"They go when the process has not been heard of for {self.lease.seconds} s, or by: {command}"
        )


async def shared_cluster(key: ClusterKey, background: Background, orphan_after: int = SHORTEST_SECONDS) -> Cluster:
    """The process's Cluster for that key, opened by whoever asks first. Only in the background loop.

    Args:
        key: which cluster.
        background: the thread.
        orphan_after: seconds that its Lease shall last at least.

    Raises:
        KubernelError: as ``Cluster.open``; the next caller tries again.
    """
    lock = background.shared.setdefault((key, "lock"), asyncio.Lock())
    async with lock:
        if key not in background.shared:
            opened = await Cluster.open(key, background.server, orphan_after)
            opened.run(_retire_when_idle(key, opened, background))
            background.shared[key] = opened
        cluster: Cluster = background.shared[key]
        cluster.last_used = time.monotonic()
        try:
            await cluster.lease.last(orphan_after)
        except ApiError as error:
            raise cluster.api.explain(error, "patch the Lease of this server") from error
        return cluster


async def _retire_when_idle(key: ClusterKey, cluster: Cluster, background: Background) -> None:
    while not cluster.is_idle:  # noqa: ASYNC110 - time passes, nothing else happens
        await asyncio.sleep(RETIRE_SECONDS / 5)
    del background.shared[key]
    with suppress(KubernelError, ApiError):  # the namespace may be gone, and the Lease with it
        await cluster.close()
