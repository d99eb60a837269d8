"""Creates and deletes KernelInstances so that none is lost: not by a cancellation, not by a lost answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kubernel_api.names import instance_name
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster, shared_cluster
from kubernel_provisioner.errors import KubernelError, LaunchError
from kubernel_provisioner.ownership import delete_own, server_of
from kubernel_wire.keys import ConnectionKeys, connection_secret

# Somebody else's KernelInstances may have the first names of a kernel id that a REST client chose.
NAME_ATTEMPTS = 5
# Seconds between attempts to delete a kernel while the API server is away. After a longer outage than all of them take
# a server in a pod has no kernels any more; and one that goes on renewing its Lease would keep this one for ever.
DELETE_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
DELETE_ATTEMPTS = 240


class Poster:
    """Creates and deletes the KernelInstances of one kernel, one after the other. Only in the background loop.

    Args:
        key: which cluster.
        background: finishes what nobody waits for any more.
        log: the provisioner's.
    """

    def __init__(self, key: ClusterKey, background: Background, log: logging.Logger) -> None:
        self._key, self._background, self._log = key, background, log
        self._names = 0

    async def create(
        self,
        cluster: Cluster,
        kernel_id: str,
        build: Callable[[str], dict[str, Any]],
        keys: ConnectionKeys | None = None,
    ) -> dict[str, Any]:
        """Creates a KernelInstance under a free name; cancelled half-way, it deletes what was made.

        A name is used once: children of a deleted KernelInstance may still hold theirs.

        Args:
            cluster: where.
            kernel_id: what its name is made from.
            build: the KernelInstance for a name.
            keys: those of its connection Secret, which is created at once; None leaves them to the operator.

        Raises:
            KubernelError: the API server does not allow it, or all names are taken.
        """
        for _ in range(NAME_ATTEMPTS):
            self._names += 1
            name = instance_name(kernel_id if self._names == 1 else f"{kernel_id}-{self._names}")
            instance = await self._create_or_undo(cluster, name, build(name), keys)
            if instance is not None:
                return instance
        raise LaunchError(f"{NAME_ATTEMPTS} names for the kernel are taken.", f"The last that was tried: {name}.")

    async def _create_or_undo(
        self, cluster: Cluster, name: str, body: dict[str, Any], keys: ConnectionKeys | None
    ) -> dict[str, Any] | None:
        post = self._background.errand(self._create_with_key(cluster, name, body, keys))
        try:
            return await asyncio.shield(post)
        except asyncio.CancelledError:
            self._background.errand(self._undo(post))
            raise

    async def _create_with_key(
        self, cluster: Cluster, name: str, body: dict[str, Any], keys: ConnectionKeys | None
    ) -> dict[str, Any] | None:
        """The KernelInstance with its Secret, or None when either's name is taken; all or nothing."""
        known = cluster.view.get(name)
        if keys is not None and (sealed := await cluster.pools.sealed(name, keys)):
            body["spec"]["connection"] |= sealed
        instance = await self._create_or_find(cluster, name, body, is_new=known is None or known.gone)
        if instance is None or keys is None:
            return instance
        has_key = False
        try:
            has_key = await _create_secret(cluster, connection_secret(instance, keys))
        finally:
            if not has_key:
                self._background.errand(self._delete_created(instance))
        return instance if has_key else None

    async def _create_or_find(
        self, cluster: Cluster, name: str, body: dict[str, Any], *, is_new: bool
    ) -> dict[str, Any] | None:
        """What was made, or None when the name is taken.

        One of ours that the view did not know before is what an attempt made whose answer was lost.
        """
        try:
            return await cluster.api.create_instance(body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise cluster.api.explain(error, "create a KernelInstance") from error
        try:
            found = await cluster.api.read_instance(name)
        except ApiError as error:
            if error.status == 404:  # that one is gone since
                return None
            raise cluster.api.explain(error, "create a KernelInstance") from error
        is_ours = server_of(found) == cluster.server and "deletionTimestamp" not in found["metadata"]
        return found if is_ours and is_new else None

    async def _undo(self, post: asyncio.Task[dict[str, Any] | None]) -> None:
        await asyncio.wait({post})
        instance = None if post.cancelled() or post.exception() else post.result()
        if instance is not None:
            await self._delete_created(instance)

    async def _delete_created(self, instance: dict[str, Any]) -> None:
        metadata = instance["metadata"]
        await self._delete(metadata["name"], metadata["uid"], server_of(instance), metadata["resourceVersion"])

    def delete(self, name: str, uid: str, server: str) -> asyncio.Task[None]:
        """Deletes a KernelInstance in the background, however long the API server is away.

        Args:
            name: of the KernelInstance.
            uid: of the KernelInstance.
            server: the one that drives it; when another one has taken it over, it is left alone.
        """
        return self._background.errand(self._delete(name, uid, server))

    async def _delete(self, name: str, uid: str, server: str, version: str | None = None) -> None:
        for attempt in range(DELETE_ATTEMPTS):
            try:
                cluster = await shared_cluster(self._key, self._background)
                known = cluster.view.get(name)
                version = str(known.version) if known is not None and known.uid == uid else version
                if not await delete_own(cluster.api, name, uid, version, server):
                    self._log.info("KernelInstance %s was left alone: another server has taken it over", name)
            except (KubernelError, ApiError) as error:
                if attempt == 0:
                    self._log.warning("KernelInstance %s is not deleted yet, trying again: %s", name, error)
                await asyncio.sleep(DELETE_RETRY_SECONDS[min(attempt, len(DELETE_RETRY_SECONDS) - 1)])
            else:
                cluster.view.forget(name, uid)
                return
        self._log.error("KernelInstance %s could not be deleted; try: kubectl delete kernel %s", name, name)


async def _create_secret(cluster: Cluster, secret: dict[str, Any]) -> bool:
    """Whether it was made with our key.

    One of that name has another key, for all that is known: an attempt whose answer was lost may have made it, or
    somebody else who saw the KernelInstance. It cannot be read, and must not be trusted.
    """
    try:
        await cluster.api.create_secret(secret)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise cluster.api.explain(error, "create the Secret with the kernel's key") from error
        return False
    return True
