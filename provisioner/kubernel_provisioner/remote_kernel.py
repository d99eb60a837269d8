"""One kernel on the cluster: what the provisioner asks for, done in the background loop.

The order of things is kept by a lock around the writes, and by numbering the launches: only the newest one may undo
what was made, and each waits for the restartGeneration it asked for itself.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kubernel_api.connection import connection_info
from kubernel_api.constants import LABEL_SERVER
from kubernel_api.control import ControlError, ControlUnreachableError, control
from kubernel_api.names import instance_name, secret_name

from .address import control_endpoint, prove_direct
from .api_errors import ApiStatusError
from .background import Background
from .cluster import Cluster, shared_cluster
from .errors import KernelDeletedError, KubernelError, LaunchError
from .exit_code import KILLED, describe_end, exit_code
from .kernel_resource import Identity, PodOptions, SpecFacts, build_kernel_instance
from .login import ClusterKey
from .narrator import Narrator
from .verdict import Goal, is_current
from .view import Seen
from .waiting import Patience, Subject, until_over, until_ready

# The operator writes the Secret within some 20 ms; a kernel needs half a second more. One read in between finds it.
SECRET_READ_SECONDS = 0.2
# Seconds between attempts to delete a kernel while the API server is away.
DELETE_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
DELETE_ATTEMPTS = 60
# Seconds that a shutdown waits for the API server to take the deletion; the pod's own end is not waited for.
DELETE_PATIENCE_SECONDS = 10.0
NAME_ATTEMPTS = 5
SIGNAL_SECONDS = 2.0

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class LaunchRequest:
    """What a launch needs to know; see ``kernel_resource.build_kernel_instance``."""

    kernel_id: str
    spec: SpecFacts
    options: PodOptions
    cmd: list[str]
    env: dict[str, str]
    curve: bool
    access: str
    patience: Patience


@dataclass(frozen=True)
class Held:
    """The KernelInstance that this server holds.

    Args:
        name: its name.
        uid: its uid.
        generation: its ``metadata.generation`` after our last write.
        restart: the restartGeneration that was last asked for.
        info: connection info; empty until the kernel was ready once.
    """

    name: str
    uid: str
    generation: int
    restart: int
    info: dict[str, Any]


async def _both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Both results; as soon as one fails, its error, and the other is cancelled."""
    tasks = asyncio.create_task(one), asyncio.create_task(other)
    try:
        return await asyncio.gather(*tasks)
    finally:
        await _cancel(*tasks)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class RemoteKernel:
    """Lives in the background loop; ``poll`` and the attributes may be read from any thread.

    Args:
        key: which cluster.
        background: the thread.
        log: the provisioner's.
    """

    def __init__(self, key: ClusterKey, background: Background, log: logging.Logger) -> None:
        self._key, self.background, self._log = key, background, log
        self._lock = asyncio.Lock()
        self._cluster: Cluster | None = None
        self._inherited: Seen | None = None
        self._newest = 0
        self._deletions = 0
        self._names = 0
        self._starting = False
        self._last_code = 0
        self.held: Held | None = None

    def in_this_process(self, background: Background) -> RemoteKernel:
        """The same kernel for a forked child, which can signal and delete it; its state stays as at the fork."""
        child = RemoteKernel(self._key, background, self._log)
        child.held, child._inherited, child._last_code, child._names = (
            self.held,
            self.seen,
            self._last_code,
            self._names,
        )
        return child

    # Reading, from any thread.

    @property
    def seen(self) -> Seen | None:
        """The last known state of the KernelInstance."""
        if self._cluster is None or self.held is None:
            return self._inherited
        return self._cluster.view.get(self.held.name)

    @property
    def namespace(self) -> str:
        """Where it is; empty before the first launch."""
        return self._cluster.api.namespace if self._cluster else ""

    @property
    def is_starting(self) -> bool:
        """Whether a launch is under way."""
        return self._starting

    def poll(self) -> int | None:
        """None while it runs or starts, else its exit code; 0 when there never was one. From memory."""
        held, seen = self.held, self.seen
        if self._starting:
            return None
        if held is None:
            return self._last_code
        if seen is None:
            return None
        current = is_current(seen.status, held.generation)
        return exit_code(seen.status, wanted=held.restart, current=current, gone=seen.gone)

    @property
    def is_supervised(self) -> bool:
        """Whether a supervisor takes signals for it; assumed until the status says otherwise."""
        connection = self.seen.status.get("connection") if self.seen else None
        return not connection or control_endpoint(connection) is not None

    def describe_end(self) -> str:
        """How it ended, in one line."""
        return describe_end(self.seen.status, gone=self.seen.gone) if self.seen else "its KernelInstance was deleted"

    # Starting.

    def new_ticket(self) -> int:
        """A number for the next launch; the newest one decides."""
        self._newest += 1
        self._starting = True
        return self._newest

    async def launch(self, request: LaunchRequest, ticket: int) -> dict[str, Any]:
        """Starts the kernel, or restarts the one that is held, and returns its connection info.

        Raises:
            KubernelError: it did not start; everything that was made is deleted.
        """
        try:
            return await self._launch(request)
        except BaseException:
            self.abandon(ticket)
            raise
        finally:
            if ticket == self._newest:
                self._starting = False

    def abandon(self, ticket: int) -> None:
        """Undoes a launch that nobody waits for any more, unless a newer one has taken over."""
        if ticket == self._newest:
            self._deletions += 1
            self.discard()

    async def _launch(self, request: LaunchRequest) -> dict[str, Any]:
        deletions = self._deletions
        cluster = self._cluster = await shared_cluster(self._key, self.background)
        async with self._lock:
            if deletions != self._deletions:
                raise KernelDeletedError(f"Kernel {request.kernel_id} was shut down while it started.")
            held = self.held = await self._restart(cluster) or await self._create(cluster, request)
        subject = Subject(held.name, cluster.api.namespace, self._key.kubectl())
        info = await self._until_known(cluster, held, subject, request.patience)
        await self._until_answering(cluster, held, subject, info)
        self._remember(held, info)
        return dict(info)

    async def _until_known(self, cluster: Cluster, held: Held, subject: Subject, patience: Patience) -> dict[str, Any]:
        """Connection info of the kernel once it is ready."""
        narrator = Narrator(self._log, str(subject), time.monotonic)
        ready = until_ready(cluster.view, subject, Goal(held.generation, held.restart), patience, narrator)
        if held.info:
            await ready
            return held.info
        connection, secret = await _both(ready, self._read_secret(cluster, held))
        return connection_info(connection, secret)

    async def _until_answering(self, cluster: Cluster, held: Held, subject: Subject, info: dict[str, Any]) -> None:
        over = asyncio.create_task(until_over(cluster.view, subject, Goal(held.generation, held.restart)))
        proof = asyncio.create_task(prove_direct(info, subject))
        try:
            await asyncio.wait({over, proof}, return_when=asyncio.FIRST_COMPLETED)
            await (proof if proof.done() else over)
        finally:
            await _cancel(over, proof)

    def _remember(self, held: Held, info: dict[str, Any]) -> None:
        if self.held is not None and self.held.uid == held.uid:
            self.held = replace(self.held, info=info)

    async def _create(self, cluster: Cluster, request: LaunchRequest) -> Held:
        instance = await self._post(cluster, request)
        metadata = instance["metadata"]
        cluster.view.offer(instance)
        return Held(metadata["name"], metadata["uid"], metadata["generation"], 0, {})

    async def _post(self, cluster: Cluster, request: LaunchRequest) -> dict[str, Any]:
        """Posts it under a free name. A name is used once: children of a deleted one may still hold theirs."""
        identity = Identity(request.kernel_id, cluster.server, cluster.lease)
        for _ in range(NAME_ATTEMPTS):
            self._names += 1
            name = instance_name(request.kernel_id if self._names == 1 else f"{request.kernel_id}-{self._names}")
            body = build_kernel_instance(
                name, identity, request.spec, request.options, cmd=request.cmd, env=request.env, curve=request.curve
            )
            instance = await self._post_for_sure(cluster, name, body)
            if instance is not None:
                return instance
        raise LaunchError(
            f"Kernel {request.kernel_id} did not start: {NAME_ATTEMPTS} names for it are taken, up to {name}."
        )

    async def _post_for_sure(self, cluster: Cluster, name: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """What was made, or None when the name is taken; when this is cancelled half-way, what was made is deleted."""
        known = cluster.view.get(name)
        post = self.background.errand(self._post_or_find(cluster, name, body, is_new=known is None or known.gone))
        try:
            return await asyncio.shield(post)
        except asyncio.CancelledError:
            self.background.errand(self._delete_posted(post))
            raise

    async def _post_or_find(
        self, cluster: Cluster, name: str, body: dict[str, Any], *, is_new: bool
    ) -> dict[str, Any] | None:
        """Posts it. One of ours that nobody knew before is what an attempt made whose answer was lost."""
        try:
            return await cluster.api.create_instance(body)
        except ApiStatusError as error:
            if error.reason != "AlreadyExists":
                raise cluster.api.explain(error, f"create KernelInstance {name}") from error
        found = await cluster.api.read_instance(name)
        is_ours = found["metadata"].get("labels", {}).get(LABEL_SERVER) == cluster.server
        return found if is_ours and is_new else None

    async def _delete_posted(self, post: asyncio.Task[dict[str, Any] | None]) -> None:
        await asyncio.wait({post})
        instance = None if post.cancelled() or post.exception() else post.result()
        if instance is not None:
            await self._delete_for_sure(instance["metadata"]["name"], instance["metadata"]["uid"])

    async def _restart(self, cluster: Cluster) -> Held | None:
        """Asks for a restart of the KernelInstance that is held, or None when there is none any more.

        The instance keeps what it was created with: env, working directory and arguments of the launch are immutable.
        """
        held, seen = self.held, self.seen
        if held is None or (seen is not None and seen.gone):
            return None
        restart = max(held.restart, int(seen.instance["spec"]["restartGeneration"]) if seen else 0) + 1
        patch = {"metadata": {"uid": held.uid}, "spec": {"restartGeneration": restart}}
        try:
            instance = await cluster.api.patch_instance(held.name, patch)
        except ApiStatusError as error:
            if error.status in (404, 409):
                self._log.warning("KernelInstance %s is gone: starting another one, at another address", held.name)
                return None
            raise cluster.api.explain(error, f"restart KernelInstance {held.name}") from error
        cluster.view.offer(instance)
        return Held(held.name, held.uid, instance["metadata"]["generation"], restart, held.info)

    async def _read_secret(self, cluster: Cluster, held: Held) -> dict[str, str]:
        """The connection Secret, read while the kernel boots and, if need be, again when the status names it."""
        name, known = secret_name(held.name, held.uid), cluster.view.get(held.name)
        await cluster.view.change(held.name, known, SECRET_READ_SECONDS)
        while True:
            known = cluster.view.get(held.name)
            try:
                return await cluster.api.read_secret(name)
            except ApiStatusError as error:
                named = ((known.status.get("connection") if known else None) or {}).get("secretName")
                if error.status != 404 or named:
                    raise cluster.api.explain(error, f"read Secret {name}") from error
            await cluster.view.change(held.name, known, None)

    async def adopt(self, held: Held) -> None:
        """Takes over a living kernel of another process: from now on this process's watch and Lease are its own.

        Raises:
            KubernelError: the API server does not allow it.
        """
        cluster = self._cluster = await shared_cluster(self._key, self.background)
        patch = {
            "metadata": {"uid": held.uid, "labels": {LABEL_SERVER: cluster.server}},
            "spec": {"lifecycle": {"leaseName": cluster.lease}},
        }
        try:
            instance = await cluster.api.patch_instance(held.name, patch)
        except ApiStatusError as error:
            if error.status in (404, 409):
                self.held, self._last_code = None, KILLED
                return
            raise cluster.api.explain(error, f"take over KernelInstance {held.name}") from error
        cluster.view.offer(instance)
        self.held = held

    # Ending.

    async def signal(self, signum: int) -> bool:
        """Sends a signal to the kernel's process group.

        Returns:
            Whether nothing more is to be done: it was delivered, or there is nothing to deliver it to.
        """
        held, seen = self.held, self.seen
        if held is None or self.poll() is not None or (self._starting and signum == signal.SIGINT):
            return True  # an interpreter that boots would die of a SIGINT
        endpoint = control_endpoint(seen.status.get("connection") or {}) if seen else None
        if endpoint is None or not held.info:
            return False
        request = {"op": "signal", "signum": int(signum)}
        try:
            await control(
                endpoint.host,
                endpoint.port,
                request,
                key=held.info["key"],
                role="connection",
                timeout_seconds=SIGNAL_SECONDS,
            )
        except ControlUnreachableError as error:
            self._log.debug("Signal %d for %s: %s", signum, held.name, error)
            return False
        except ControlError as error:
            self._log.warning("Signal %d for %s: %s", signum, held.name, error)
        return True

    async def terminate(self) -> None:
        """SIGTERM; while it starts there is nobody to tell yet, so it is deleted."""
        if not await self.signal(signal.SIGTERM) and self._starting:
            await self.delete()

    async def kill(self) -> None:
        """Ends the kernel: SIGKILL through its supervisor, else by deleting its KernelInstance."""
        if not await self.signal(signal.SIGKILL):
            await self.delete()

    async def wait(self) -> int:
        """The exit code, once the kernel has ended."""
        while (code := self.poll()) is None:
            held, cluster, seen = self.held, self._cluster, self.seen
            if held is None or cluster is None:
                await asyncio.sleep(0.05)
            else:
                await cluster.view.change(held.name, seen, 1.0)
        return code

    async def delete(self) -> None:
        """Deletes the KernelInstance; goes on in the background when the API server does not answer soon."""
        self._deletions += 1
        async with self._lock:
            task = self.discard()
        if task is not None:
            await asyncio.wait({task}, timeout=DELETE_PATIENCE_SECONDS)

    def discard(self) -> asyncio.Task[Any] | None:
        """Lets go of the KernelInstance at once and deletes it in the background."""
        held = self.held
        if held is None:
            return None
        code = exit_code(self.seen.status, wanted=held.restart, current=True) if self.seen else None
        self._last_code, self.held = (KILLED if code is None else code), None
        return self.background.errand(self._delete_for_sure(held.name, held.uid))

    async def _delete_for_sure(self, name: str, uid: str) -> None:
        for attempt in range(DELETE_ATTEMPTS):
            try:
                cluster = await shared_cluster(self._key, self.background)
                await cluster.api.delete_instance(name, uid)
            except (KubernelError, ApiStatusError) as error:
                if attempt == 0:
                    self._log.warning("KernelInstance %s is not deleted yet, trying again: %s", name, error)
                await asyncio.sleep(DELETE_RETRY_SECONDS[min(attempt, len(DELETE_RETRY_SECONDS) - 1)])
            else:
                cluster.view.forget(name, uid)
                return
        self._log.error("KernelInstance %s could not be deleted; try: kubectl delete kernel %s", name, name)
