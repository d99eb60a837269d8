"""Carries out actions: the only place that writes to the cluster."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from kubernel_api.conditions import Reason
from kubernel_api.constants import ANNOTATION_WOKEN, KERNEL_CONTAINER, KIND, SECRET_TYPE
from kubernel_api.names import secret_name
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ConflictError
from kubernel_operator.build.event import STARTUP_CPU_REFUSED, build_event
from kubernel_operator.build.pod import without_startup_cpu
from kubernel_operator.build.supervisor import holds_the_same
from kubernel_operator.decide.actions import (
    Claim,
    ClaimService,
    Create,
    DeleteInstance,
    DeletePod,
    Explain,
    ReadKeys,
    Request,
    Resize,
    Wake,
)
from kubernel_operator.decide.changed_children import refusal_of_changed
from kubernel_operator.decide.reasons import (
    hint_from_events,
    is_refusal_of_claim,
    reason_from_events,
    refusal_of,
    refusal_of_foreign_supervisor,
    refusal_of_taken_name,
    why_killed,
)
from kubernel_operator.decide.resources.resizing import refusal_of_resize
from kubernel_operator.metrics import MEMORY_GROWTHS
from kubernel_operator.observe.cache import Cache
from kubernel_operator.observe.facts import controller_uid
from kubernel_operator.observe.observed import CLAIM_REFUSED, Cold, Memory, Purpose, Refusal, ResizeAnswer, Woken
from kubernel_operator.observe.pod_facts import PodFacts, pod_facts
from kubernel_wire.sealed_keys import keys_sealed_in

from .describe import describe
from .failures import forget_failure, remember_failure
from .pods_events import events_of

logger = logging.getLogger(__name__)

_RESOURCES = {
    "secret": "secrets",
    "pod secret": "secrets",
    "supervisor": "configmaps",
    "pod": "pods",
    "service": "services",
}
# So long a ConfigMap that was made or found is not looked for again, whatever kubelets say: they are behind.
FOUND_SECONDS = 5.0
# A pod that is of no use when it arrives is made again after 2, 4, 8 ... seconds.
TAKEN_BACK_MAX_SECONDS = 60.0


class Applier:
    """Writes for one KernelInstance at a time; what it learns goes to ``Memory`` and to the cache."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        clock: Callable[[], float],
        *,
        operator_key: bytes,
    ):
        self._operator_key = operator_key
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by namespace

    async def apply(self, cr: dict[str, Any], memory: Memory, action: Request) -> None:
        """One action. Refusals are remembered; what is unknown raises, and the work queue comes back.

        Raises:
            ClusterError: the write's outcome is unknown or unexpected.
        """
        try:
            await self._apply(cr, memory, action)
        except (ApiError, ApiUnavailableError) as error:
            if (refusal := remember_failure(memory, action, error, self._clock())) is not None:
                if isinstance(action, DeletePod):  # its status may tell it as well
                    memory.event_reason = refusal.reason
                await self.post_event(cr, refusal.reason, refusal.message)
            raise
        forget_failure(memory, action)

    async def _apply(self, cr: dict[str, Any], memory: Memory, action: Request) -> None:
        match action:
            case Create() | Claim() | ReadKeys() | ClaimService() | Resize():
                if not await self._write(cr, memory, action):
                    return  # the status says why, or something else is tried
            case DeletePod(pod=pod):
                await self._cluster.delete(f"{paths.core('pods', pod.namespace)}/{pod.name}", uid=pod.uid)
            case DeleteInstance(why=why, reason=reason):
                if reason is not None and memory.event_reason != reason:
                    memory.event_reason = reason
                    await self.post_event(cr, reason, why)
                await self._cluster.delete(instance_path(cr), uid=cr["metadata"]["uid"])
            case Wake(pod=pod, times=times):
                memory.woken = Woken(pod.uid, times + 1, self._clock())
                await self.wake_kubelet(pod)
            case Explain(pod=pod):
                await self._explain(memory, pod)
        log = {"namespace": cr["metadata"]["namespace"], "kernel_instance": cr["metadata"]["name"]}
        level = logging.DEBUG if isinstance(action, Explain) else logging.INFO
        logger.log(level, "%s/%s: %s", *log.values(), describe(action), extra=log)

    async def _write(
        self, cr: dict[str, Any], memory: Memory, action: Create | Claim | ReadKeys | ClaimService | Resize
    ) -> bool:
        """Whether the API server has done it."""
        match action:
            case Create(kind="supervisor"):
                return await self._create_supervisor(cr, memory, action)
            case Create():
                return await self._create(cr, memory, action)
            case Claim():
                return await self._claim(memory, action)
            case ReadKeys():
                return await self._read_keys(cr, memory, action)
            case ClaimService():
                return await self._claim_service(action)
            case Resize():
                return await self._resize(cr, memory, action)

    async def patch_status(self, cr: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
        """Writes a status, refused by the server (409) when the object has changed since it was read."""
        body = {"metadata": {"resourceVersion": cr["metadata"]["resourceVersion"]}, "status": patch}
        return await self._cluster.merge_patch(f"{instance_path(cr)}/status", body)

    async def read_instance(self, cr: dict[str, Any]) -> dict[str, Any]:
        """A KernelInstance that was too large to be kept whole.

        Raises:
            ClusterError: it is not known, or gone; then the watch will say so.
        """
        metadata = cr["metadata"]
        path = paths.kernel_instances(metadata["namespace"])
        found = await self._read(path, metadata["name"])
        if found["metadata"]["uid"] != metadata["uid"]:
            raise ApiUnavailableError(f"{path}/{metadata['name']} is gone")
        return found

    async def _read(self, path: str, name: str) -> dict[str, Any]:
        """One object by a LIST, whose right is there anyway."""
        listing = await self._cluster.list(path, fieldSelector=f"metadata.name={name}")
        for found in listing.items:
            if found["metadata"]["name"] == name:
                return found
        raise ApiUnavailableError(f"{path}/{name} is gone")

    async def post_event(self, cr: dict[str, Any], reason: str, message: str, kind: str = KIND) -> None:
        """Posts an Event; one that cannot be posted is no reason to do anything else again."""
        event = build_event(cr, reason, message, suffix=secrets.token_hex(8), now=self._clock(), kind=kind)
        try:
            await self._cluster.create(paths.core("events", cr["metadata"]["namespace"]), event)
        except (ApiError, ApiUnavailableError) as error:
            logger.warning("Event %s for %s was not posted: %s", reason, cr["metadata"]["name"], error)

    async def _create_supervisor(self, cr: dict[str, Any], memory: Memory, action: Create) -> bool:
        """Once for a hundred kernels that begin at the same time; whether this was the one that did it."""
        namespace = cr["metadata"]["namespace"]
        async with self.lock(namespace):
            found = self._cache.supervisors.get(namespace)
            if found is not None and self._clock() < found + FOUND_SECONDS:
                return False
            return await self._create(cr, memory, action)

    def lock(self, namespace: str) -> asyncio.Lock:
        """Held while the supervisor's ConfigMap of a namespace is made or deleted."""
        return self._locks.setdefault(namespace, asyncio.Lock())

    async def _create(self, cr: dict[str, Any], memory: Memory, action: Create) -> bool:
        """Whether it exists now; what refused it is remembered."""
        namespace = cr["metadata"]["namespace"]
        path = paths.core(_RESOURCES[action.kind], namespace)
        is_new = True
        try:
            created = await self._cluster.create(path, action.body)
        except ApiError as error:
            plain = without_startup_cpu(action.body)
            if plain is not None and error.status in (403, 422):
                return await self._create_plain(cr, memory, replace(action, body=plain), error)
            if error.status != 409:
                _refuse(memory, action, refusal_of(action.body["kind"], error))
                return False
            if error.reason != "AlreadyExists":  # e.g. the quota was updated at the same moment
                raise
            created, is_new = await self._existing(path, action), False
            if (refusal := _refusal_of_existing(cr, action, created, error)) is not None:
                _refuse(memory, action, refusal)
                return False
        if action.kind in {"pod", "service"} and (refusal := refusal_of_changed(action.body, created)) is not None:
            _refuse(memory, action, refusal)
            if action.kind == "pod":
                await self._take_back(memory, action, created)
            return False
        if is_new and action.kind == "secret" and (memory.secret or (cr.get("status") or {}).get("connection")):
            await self._say_that_the_key_is_new(cr)
        self._learn(memory, action, created)
        return True

    async def _take_back(self, memory: Memory, action: Create, created: dict[str, Any]) -> None:
        """Deletes a pod that was made in vain. Its name is not used again: what runs in it may report yet.

        The next one is made a while later, since this one's end is news and would have another one made at once.
        """
        metadata = created["metadata"]
        memory.taken_back[metadata["uid"]] = pod_facts(action.body).incarnation
        seconds = min(TAKEN_BACK_MAX_SECONDS, 2.0 ** min(len(memory.taken_back), 10))
        memory.next_pod_at = self._clock() + seconds
        await self._cluster.delete(
            f"{paths.core('pods', metadata['namespace'])}/{metadata['name']}", uid=metadata["uid"]
        )

    async def _create_plain(self, cr: dict[str, Any], memory: Memory, action: Create, refused: ApiError) -> bool:
        """A pod whose start has no more CPU than its kernel: a quota or LimitRange may be all that was in the way."""
        if not await self._create(cr, memory, action):
            return False
        await self._say_that_it_has_no_more(cr, refused.message)
        return True

    async def _say_that_it_has_no_more(self, cr: dict[str, Any], refusal: str) -> None:
        message = f"The kernel starts with its own CPU limit: startupCPU was refused: {refusal.rstrip('.')}."
        await self.post_event(cr, STARTUP_CPU_REFUSED, message)

    async def _say_that_the_key_is_new(self, cr: dict[str, Any]) -> None:
        name = secret_name(cr["metadata"]["name"], cr["metadata"]["uid"])
        message = (
            f"Secret {name} was deleted, and was made again with another key: clients that hold the old one get no "
            "answer from pods that start from now on. Close the kernel and start it anew."
        )
        await self.post_event(cr, Reason.CONNECTION_LOST, message)

    async def _existing(self, path: str, action: Create) -> dict[str, Any]:
        """The object that is already there. Secrets cannot be read; their name holds our uid."""
        if action.kind in {"secret", "pod secret"}:
            return action.body
        if action.kind == "supervisor":
            return await self._read(path, action.body["metadata"]["name"])
        return await self._cluster.get(f"{path}/{action.body['metadata']['name']}")

    def _learn(self, memory: Memory, action: Create, created: dict[str, Any]) -> None:
        memory.refusals.pop(action.kind, None)
        memory.failed_times.pop(action.kind, None)
        match action.kind:
            case "secret":
                memory.secret, memory.secret_posted = True, self._clock()
                if created is action.body:  # it was there, and nobody can tell what is in it
                    memory.keys, memory.told, memory.bound = None, "", ""
            case "pod secret":
                memory.pod_secret, memory.secret_posted = True, self._clock()
            case "supervisor":
                self._cache.supervisors[created["metadata"]["namespace"]] = self._clock()
            case "service":
                self._cache.services.put(created)
            case "pod":
                self._cache.pods.put(created)
                memory.incarnation_seen = pod_facts(created).incarnation
                memory.refused_times, memory.pending, memory.killed = 0, None, ""
                memory.refusals = {k: v for k, v in memory.refusals.items() if k not in {"claim", "keys"}}

    async def _claim(self, memory: Memory, action: Claim) -> bool:
        """Whether the pod is the KernelInstance's now."""
        pod = action.member.pod
        try:
            claimed = await self._cluster.json_patch(f"{paths.core('pods', pod.namespace)}/{pod.name}", action.patch)
        except ApiError as error:
            logger.info("Pod %s/%s cannot be claimed: %s", pod.namespace, pod.name, error.message)
            memory.lost_members.add(pod.uid)
            if is_refusal_of_claim(error):
                memory.cold = Cold(
                    CLAIM_REFUSED, f"Pod {pod.name} of KernelPool {pod.pool} was refused: {error.message}"
                )
            return False
        self._cache.pods.put(claimed)
        memory.incarnation_seen = pod_facts(claimed).incarnation
        return True

    async def _read_keys(self, cr: dict[str, Any], memory: Memory, action: ReadKeys) -> bool:
        """Whether they are known now. The client may not have made them yet, where it has not sealed them."""
        memory.keys = keys_sealed_in(self._operator_key, cr)
        if memory.keys is not None:
            return True
        path = f"{paths.core('secrets', cr['metadata']['namespace'])}/{action.name}"
        try:
            found = await self._cluster.get(path)
        except ApiError as error:
            if error.status != 404 and memory.pod is not None:
                logger.warning("Secret %s cannot be read: %s", action.name, error.message)
                memory.bind_failed = memory.pod.uid  # a pod of its own takes the member's place
            return False
        if found.get("type") == SECRET_TYPE and controller_uid(found) == cr["metadata"]["uid"]:
            data = found.get("data") or {}
            memory.keys = {name: base64.b64decode(text).decode() for name, text in data.items()}
        return memory.keys is not None

    async def _claim_service(self, action: ClaimService) -> bool:
        service = action.service
        path = f"{paths.core('services', service.namespace)}/{service.name}"
        try:
            self._cache.services.put(await self._cluster.json_patch(path, action.patch))
        except ApiError as error:
            logger.info("Service %s/%s cannot be claimed: %s", service.namespace, service.name, error.message)
            gone = {"namespace": service.namespace, "name": service.name, "uid": service.uid}
            self._cache.services.remove({"metadata": gone})  # the next pass makes another
            return False
        return True

    async def _resize(self, cr: dict[str, Any], memory: Memory, action: Resize) -> bool:
        """Whether the API server has taken it: then the node has a say."""
        pod, resources = action.pod, action.to.as_json()
        body = {
            "metadata": {"uid": pod.uid, "resourceVersion": pod.version},
            "spec": {"containers": [{"name": KERNEL_CONTAINER, "resources": resources}]},
        }
        path = f"{paths.core('pods', pod.namespace)}/{pod.name}/resize"
        if action.purpose is Purpose.GROWTH:
            MEMORY_GROWTHS.inc()
        try:
            resized = await self._cluster.strategic_patch(path, body)
        except ConflictError:
            raise  # the pod has changed, and is looked at again
        except ApiError as error:
            if error.status == 404 and error.details.get("name") == pod.name:
                return False  # it is gone; the watch will say so
            refusal, hopeless = refusal_of_resize(error)
            answer = ResizeAnswer(pod.uid, action.to, self._clock(), refusal, hopeless, action.restart)
            memory.resizes[action.purpose] = answer
            if pod.startup_cpu is not None and action.to.limits == {"cpu": pod.startup_cpu[0]}:
                await self._say_that_it_has_no_more(cr, refusal)
            return False
        memory.resizes[action.purpose] = ResizeAnswer(pod.uid, action.to, self._clock(), restart=action.restart)
        self._cache.pods.put(resized)
        return True

    async def wake_kubelet(self, pod: PodFacts) -> None:
        """Changes the pod, so that its kubelet looks at it again."""
        body = {"metadata": {"uid": pod.uid, "annotations": {ANNOTATION_WOKEN: f"{self._clock():.3f}"}}}
        await self._cluster.merge_patch(f"{paths.core('pods', pod.namespace)}/{pod.name}", body)

    async def _explain(self, memory: Memory, pod: PodFacts) -> None:
        memory.explained_at = self._clock()
        found = await events_of(self._cluster, pod)
        memory.pending, memory.hint, memory.killed = (
            reason_from_events(found),
            hint_from_events(found),
            why_killed(found),
        )


def instance_path(cr: dict[str, Any]) -> str:
    """The path of a KernelInstance."""
    return f"{paths.kernel_instances(cr['metadata']['namespace'])}/{cr['metadata']['name']}"


def _refusal_of_existing(cr: dict[str, Any], action: Create, found: dict[str, Any], error: ApiError) -> Refusal | None:
    """Why what is there already is not what was to be made; None: it is."""
    if action.kind == "supervisor":
        name = action.body["metadata"]["name"]
        return None if holds_the_same(found, action.body) else refusal_of_foreign_supervisor(name)
    if controller_uid(found) == cr["metadata"]["uid"]:
        return None
    return refusal_of_taken_name(cr, action.body["kind"], found, error)


def _refuse(memory: Memory, action: Create, refusal: Refusal) -> None:
    memory.refusals[action.kind] = refusal
    memory.refused_times += 1
