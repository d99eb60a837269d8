"""What is written for a KernelPool."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from kubernel_api.constants import POOL_KIND
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ApiUnavailableError
from kubernel_operator.build.member import build_member, build_member_secret, build_member_service
from kubernel_operator.build.supervisor import build_supervisor_map
from kubernel_operator.decide.actions import Create
from kubernel_operator.decide.changed_children import refusal_of_changed
from kubernel_operator.decide.plan import Context
from kubernel_operator.decide.reasons import refusal_of, refusal_of_failure
from kubernel_operator.observe.cache import Cache
from kubernel_operator.observe.observed import Memory, Refusal
from kubernel_operator.observe.pod_facts import PodFacts
from kubernel_operator.observe.pool_facts import PoolFacts
from kubernel_operator.observe.template_facts import TemplateFacts

from .apply import Applier

logger = logging.getLogger(__name__)

# Letters only: no KernelInstance's pod, whose name ends in a number, is called so.
_LETTERS = "bcdfghjklmnpqrstvwxz"
_LENGTH = 8


class PoolWrites:
    """The leader's business, as all writes."""

    def __init__(self, cluster: Cluster, cache: Cache, applier: Applier) -> None:
        """Writes nothing yet. ``cluster`` refuses writes of an operator that does not lead."""
        self._cluster, self._cache, self._applier = cluster, cache, applier

    async def create_supervisor(self, pool: PoolFacts, memory: Memory, context: Context) -> Refusal | None:
        """The ConfigMap that all kernels of the namespace share; returns why there is none."""
        body = build_supervisor_map(pool.namespace, context.supervisor)
        memory.refusals.pop("supervisor", None)
        try:
            await self._applier.apply(pool.raw, memory, Create("supervisor", body, "members run it"))
        except (ApiError, ApiUnavailableError) as error:
            return _refusal("ConfigMap", error)
        return memory.refusals.get("supervisor")

    async def create_member(self, pool: PoolFacts, context: Context, template: TemplateFacts | None) -> Refusal | None:
        """A pod that waits, then its Secret and Service, which go when it goes.

        Returns:
            Why one of them was refused, or it is not known whether it was made; or why the pod is of no use although it
            was made, and was deleted: nobody would count it as the pool's.
        """
        name = f"{pool.name}-{''.join(secrets.choice(_LETTERS) for _ in range(_LENGTH))}"
        body = build_member(
            pool,
            name,
            context.settings,
            operator_key=context.operator_key,
            callback_url=context.callback_url,
            supervisor_map=context.supervisor_map,
            template=template,
        )
        try:
            pod = await self._cluster.create(paths.core("pods", pool.namespace), body)
        except (ApiError, ApiUnavailableError) as error:
            return _refusal("Pod", error)
        if (refusal := refusal_of_changed(body, pod)) is not None:
            path = f"{paths.core('pods', pool.namespace)}/{name}"
            await self._cluster.delete(path, uid=pod["metadata"]["uid"])
            return refusal
        self._cache.pods.put(pod)
        secret = build_member_secret(pod, context.operator_key, context.supervisor)
        wanted = {"Secret": self._cluster.create(paths.core("secrets", pool.namespace), secret)}
        if pool.service != "None":
            wanted["Service"] = self._create_service(pool, pod)
        for kind, made in zip(wanted, await asyncio.gather(*wanted.values(), return_exceptions=True), strict=True):
            if isinstance(made, ApiError | ApiUnavailableError):
                return _refusal(kind, made)
            if isinstance(made, BaseException):
                raise made
        logger.info("KernelPool %s/%s: made pod %s", pool.namespace, pool.name, name)
        return None

    async def _create_service(self, pool: PoolFacts, pod: dict[str, Any]) -> dict[str, Any]:
        service = await self._cluster.create(
            paths.core("services", pool.namespace), build_member_service(pod, pool.service)
        )
        self._cache.services.put(service)
        return service

    async def delete_member(self, pod: PodFacts, why: str) -> None:
        """Deletes one, unless a KernelInstance has it by now: then its version is another."""
        path = f"{paths.core('pods', pod.namespace)}/{pod.name}"
        await self._cluster.delete(path, uid=pod.uid, version=pod.version)
        logger.info("Pool's pod %s/%s deleted: %s", pod.namespace, pod.name, why)

    async def wake_kubelet(self, pod: PodFacts) -> None:
        """Has it try again at once what failed when it started the pod, such as to find its Secret."""
        await self._applier.wake_kubelet(pod)

    async def patch_status(self, pool: PoolFacts, patch: dict[str, Any]) -> None:
        """Writes a status; one that is refused since the pool has changed is written with what it is by then."""
        body = {"metadata": {"uid": pool.uid}, "status": patch}
        path = f"{paths.kernel_pools(pool.namespace)}/{pool.name}/status"
        self._cache.pools.put(await self._cluster.merge_patch(path, body))

    async def post_event(self, pool: PoolFacts, reason: str, message: str) -> None:
        """An Event on the pool."""
        await self._applier.post_event(pool.raw, reason, message, POOL_KIND)


def _refusal(kind: str, error: ApiError | ApiUnavailableError) -> Refusal:
    """Why a member, or what it needs, cannot be made."""
    if isinstance(error, ApiUnavailableError):
        return refusal_of_failure(f"{kind} could not be created", error)
    return refusal_of(kind, error)
