"""One kernel on the cluster: what the provisioner asks for, done in the background loop.

The order of things is kept by a lock around the writes, and by numbering the launches: only the newest one may undo
what was made, and each waits for the restartGeneration it asked for itself.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from kubernel_api.constants import LABEL_SERVER
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster, shared_cluster
from kubernel_provisioner.errors import KernelDeletedError, KernelFailedError, ResizeError
from kubernel_provisioner.ownership import patch_own, server_of, taken_over
from kubernel_provisioner.reach.route import Endpoint, Route, adopt_route, prepare
from kubernel_wire.control import ControlError
from kubernel_wire.keys import new_keys

from .exit_code import KILLED, exit_code
from .explaining import NO_SUPERVISOR, OUTPUT, UNKNOWN_OUTPUT
from .launching import Held, LaunchRequest, first, pod_of, until_usable
from .pausing import suspend_held
from .posting import Poster
from .resizing import resize_held
from .restarting import next_restart, tell_api_server
from .seen_kernel import SeenKernel
from .supervised import Supervisor
from .verdict import is_finished

# Seconds that a shutdown waits for the API server to take the deletion; the pod's own end is not waited for.
DELETE_PATIENCE_SECONDS = 10.0
# Seconds that a restart which a supervisor has taken waits for the API server to be told of it.
TELL_PATIENCE_SECONDS = 3.0
# A kernel that takes no signals is ended by the cleanup or the restart that follows; without either, after this time.
END_SECONDS = 10.0


class RemoteKernel(SeenKernel):
    """Lives in the background loop; what it inherits may be read from any thread.

    Args:
        key: which cluster.
        background: the thread.
        log: the provisioner's.
    """

    def __init__(self, key: ClusterKey, background: Background, log: logging.Logger) -> None:
        super().__init__(key)
        self.background, self._log = background, log
        self._lock = asyncio.Lock()
        self._tickets = itertools.count(1)
        self._newest = self._creator = 0
        self._deletions = 0
        self._poster = Poster(key, background, log)
        self._route = Route()
        self._env: dict[str, str] | None = None  # as the KernelInstance has it; None: not known

    def in_this_process(self, background: Background) -> RemoteKernel:
        """The same kernel for a forked child, which can signal and delete it; its state stays as at the fork."""
        child = RemoteKernel(self._key, background, self._log)
        child.held, child._inherited, child._last_code = self.held, self.seen, self._last_code
        return child

    # Starting.

    def new_ticket(self) -> int:
        """A number for the next launch; the newest one decides."""
        self._newest = next(self._tickets)
        self._starting = True
        return self._newest

    def is_newest(self, ticket: int) -> bool:
        """Whether no launch has begun since."""
        return ticket == self._newest

    async def launch(self, request: LaunchRequest, ticket: int) -> dict[str, Any]:
        """Starts the kernel, or restarts the one that is held, and returns its connection info.

        Raises:
            KubernelError: it did not start; everything that this launch made is deleted, and what is over for good. A
                kernel that may live is kept: a restart that failed is tried again.
        """
        try:
            return await self._launch(request, ticket)
        except (KernelFailedError, KernelDeletedError):
            self.abandon(ticket, is_over=True)
            raise
        except BaseException:
            self.abandon(ticket)
            raise
        finally:
            if self.is_newest(ticket):
                self._starting = False

    def outlives(self, ticket: int) -> bool:
        """Whether there is a kernel that has worked before this launch, and stays when the launch fails."""
        return self.held is not None and bool(self.held.info) and self._creator != ticket

    def abandon(self, ticket: int, *, is_over: bool = False) -> None:
        """Undoes a launch that nobody waits for any more, unless a newer one has taken over.

        A kernel that has worked before this launch stays as it is.
        """
        if self.is_newest(ticket) and (is_over or not self.outlives(ticket)):
            self._deletions += 1
            self.discard()

    async def _launch(self, request: LaunchRequest, ticket: int) -> dict[str, Any]:
        deletions = self._deletions
        cluster = self._cluster = await shared_cluster(self._key, self.background, request.orphan_after)
        preparing = cluster.run(prepare(self._route, request.access, cluster))
        async with self._lock:
            if self.held is not None and self.held.info and self.held.server != cluster.server:
                await self.adopt(self.held, request.orphan_after)  # a forked child restarts its parent's kernel
            if deletions != self._deletions:
                raise KernelDeletedError("The kernel was shut down while it started.")
            held = self.held = await self._restart(cluster, request) or await self._begin(cluster, request, ticket)
            route = self._route
            route.preparing = preparing
            if deletions != self._deletions:  # a newer launch waited for this one, and was abandoned
                self.discard()
        direct = await until_usable(cluster, held, route, request, self._log, self._supervisor(held))
        if self.held is None or self.held.uid != held.uid:
            await route.close()
            raise KernelDeletedError("The kernel was shut down while it started.")
        self.held = replace(self.held, info=direct)
        return route.info(direct)

    async def _begin(self, cluster: Cluster, request: LaunchRequest, ticket: int) -> Held:
        """A new one, or one that an earlier server has begun."""
        if request.left is None:
            return await self._create(cluster, request, ticket)
        metadata, spec = request.left["metadata"], request.left["spec"]
        restart = int(spec.get("restartGeneration") or 0)
        left = Held(metadata["name"], metadata["uid"], metadata["generation"], restart, {}, server_of(request.left))
        instance = await self._take(cluster, left)
        if instance is None:
            raise KernelDeletedError(f"Kernel {request.kernel_id} was deleted meanwhile.")
        self._creator = ticket
        return replace(left, server=cluster.server, generation=instance["metadata"]["generation"])

    async def _create(self, cluster: Cluster, request: LaunchRequest, ticket: int) -> Held:
        self._drop_route()
        self._creator = ticket
        keys = new_keys(request.encryption != "Disabled") if request.options.key_from == "Client" else None
        build = partial(request.instance, server=cluster.server, lease=cluster.lease.name)
        instance = await self._poster.create(cluster, request.kernel_id, build, keys)
        metadata = instance["metadata"]
        cluster.view.offer(instance)
        self._env, secret = request.env, keys.data() if keys else None
        return Held(metadata["name"], metadata["uid"], metadata["generation"], 0, {}, cluster.server, secret)

    async def _restart(self, cluster: Cluster, request: LaunchRequest) -> Held | None:
        """Restarts the kernel that is held, or returns None when there is none any more.

        The supervisor does it at once, with or without an operator, which is told by the API server beside it and finds
        it done. Where no supervisor can be reached the operator does it, and may replace the pod.

        The instance keeps what it was created with: working directory and arguments are immutable. Another environment,
        for instance of a notebook that was renamed, goes both ways: who starts the kernel's process has it.
        """
        held, seen = self.held, self.seen
        env = None if request.env == self._env else request.env
        if held is None:
            return None
        if seen is not None and seen.taken:
            raise taken_over()
        if seen is not None and seen.gone:
            self._move_on(held, request, "deleted")
            return None
        if seen is not None and is_finished(seen.status) and request.may_move:
            self.discard()
            self._move_on(held, request, "finished")
            return None
        restart = next_restart(held, seen)
        done = None
        if held.info:
            done = await self._supervisor(held).restart(restart, env)
        restart = restart if done is None else done
        held = self.held = replace(held, restart=restart)
        tell = self.background.errand(self._tell_api_server(cluster, held, env, has_happened=done is not None))
        tell.add_done_callback(lambda task: task.cancelled() or task.exception())  # it may fail when nobody waits
        await asyncio.wait({tell}, timeout=None if done is None else TELL_PATIENCE_SECONDS)
        try:
            told = tell.result() if tell.done() else held
        except ApiError as error:
            raise cluster.api.explain(error, "restart the kernel") from error
        if told is None:
            self._move_on(held, request, "deleted")
        elif told.server != held.server:
            raise taken_over()
        return told

    async def _tell_api_server(
        self, cluster: Cluster, held: Held, env: dict[str, str] | None, *, has_happened: bool
    ) -> Held | None:
        instance = await tell_api_server(cluster, held, env, self._log, has_happened=has_happened)
        if instance is None or server_of(instance) != held.server:
            return None if instance is None else replace(held, server=server_of(instance))
        self._env = self._env if env is None else env
        cluster.view.offer(instance)
        told = replace(held, generation=instance["metadata"]["generation"])
        if self.held is not None and self.held.uid == held.uid and self.held.restart == held.restart:
            self.held = replace(self.held, generation=told.generation)
        return told

    def _move_on(self, held: Held, request: LaunchRequest, end: str) -> None:
        """Says that another KernelInstance takes the place of one that cannot be restarted.

        Raises:
            KernelDeletedError: its clients could not follow, and who deleted it did not want it back.
        """
        if not request.may_move:
            raise KernelDeletedError(
                f"The kernel cannot be restarted: it was {end}.",
                "Start a new one: this one's clients could not follow it to another address.",
                "",
                f"kubernel events {held.name}",
            )
        self._log.warning("KernelInstance %s was %s: starting another one, at another address", held.name, end)

    async def adopt(
        self, held: Held, orphan_after: int, route: Route | None = None, version: str | None = None
    ) -> dict[str, Any]:
        """Takes over a living kernel of another process: from now on this process's watch and Lease are its own.

        Args:
            held: with the connection info that the other process gave to its clients.
            orphan_after: seconds for which this process may be away.
            route: a way that was found; by default the one that those clients took.
            version: the KernelInstance's resourceVersion as far as it is known; saves a request.

        Returns:
            Connection info for this process's clients.

        Raises:
            KernelDeletedError: another server was faster.
            KubernelError: the API server does not allow it.
        """
        cluster = self._cluster = await shared_cluster(self._key, self.background, orphan_after)
        instance = await self._take(cluster, held, version)
        if instance is None:
            self._last_code = KILLED
            return held.info
        held = replace(held, server=cluster.server, generation=instance["metadata"]["generation"])
        if route is None:
            address = instance["status"].get("connection") or {}
            direct, route = await adopt_route(cluster.api, held.info, address, lambda: pod_of(cluster, held))
            held = replace(held, info=direct)
        self.held, self._route = held, route
        return route.info(held.info)

    async def _take(self, cluster: Cluster, held: Held, version: str | None = None) -> dict[str, Any] | None:
        """Makes a KernelInstance this process's; None when it is gone."""
        patch = {
            "metadata": {"labels": {LABEL_SERVER: cluster.server}},
            "spec": {"lifecycle": {"leaseName": cluster.lease.name}},
        }
        try:
            instance = await patch_own(cluster.api, held.name, held.uid, version, held.server, patch)
        except ApiError as error:
            raise cluster.api.explain(error, "take over the kernel") from error
        if instance is not None:
            if server_of(instance) != cluster.server:
                raise taken_over()
            cluster.view.offer(instance)
        return instance

    async def usage(self) -> dict[str, Any] | None:
        """What its supervisor says of memory and CPU time; None when there is none, or one that does not know."""
        return None if self.held is None else await self._supervisor(self.held).usage()

    async def last_output(self, held: Held) -> str:
        """What the process that ``held`` was before a restart printed at its end, for people; empty for nothing."""
        printed = await self._supervisor(held).last_output(held.restart)
        if printed is None:
            return UNKNOWN_OUTPUT if self.is_supervised else NO_SUPERVISOR
        return f"{OUTPUT}\n{printed}" if printed.strip() else ""

    async def resize(self, asked: dict[str, str], wait_seconds: float | None) -> dict[str, Any]:
        """Gives it other amounts of cpu and memory; see ``resizing.resize_held``."""
        if self.held is None or self._cluster is None or not self.held.info:
            raise ResizeError("There is no kernel to resize: it has not been started, or was shut down.")
        return await resize_held(self._cluster, self.held, self._key.kubectl(), asked, wait_seconds)

    async def suspend(self, suspend: bool, wait_seconds: float) -> None:
        """Pauses it or lets it go on; see ``pausing.suspend_held``."""
        if self.held is None or self._cluster is None or not self.held.info:
            raise KernelDeletedError("There is no kernel to pause: it has not been started, or was shut down.")
        await suspend_held(self._cluster, self.held, self._key.kubectl(), suspend, wait_seconds)

    # Ending.

    async def signal(self, signum: int) -> bool:
        """Sends a signal to the kernel's process group.

        Returns:
            Whether nothing more is to be done: it was delivered, or there is nothing to deliver it to.
        """
        held = self.held
        if held is None or self.poll() is not None or (self._starting and signum == signal.SIGINT):
            return True  # an interpreter that boots would die of a SIGINT
        try:
            return await self._supervisor(held).ask({"op": "signal", "signum": int(signum)}) is not None
        except ControlError as error:
            self._log.warning("signal for %s: %s", held.name, error)
            return True

    def _supervisor(self, held: Held) -> Supervisor:
        def endpoint() -> Endpoint | None:
            return self._route.control((self.seen.status.get("connection") if self.seen else None) or {})

        return Supervisor(endpoint if held.info else lambda: None, held.info.get("key", b""), self._log, held.name)

    async def terminate(self) -> None:
        """SIGTERM, or the end of the pod where nobody takes signals."""
        if not await self.signal(signal.SIGTERM):
            await self._end_without_signal(-signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL, or the end of the pod where nobody takes signals."""
        if not await self.signal(-KILLED):
            await self._end_without_signal(KILLED)

    async def _end_without_signal(self, code: int) -> None:
        """Ends a kernel that cannot be sent a signal: with its KernelInstance, or by a restart, which replaces its pod.

        Which of them follows nobody says; to delete it here would cost a restart its address. One that starts is
        deleted at once.
        """
        held = self.held
        if self._starting:
            await self.delete()
        elif held is not None and self._coming_end_of(held) is None:
            self._coming_end = held, int(code)
            self.background.loop.call_later(END_SECONDS, self._end_overdue, held)

    def _end_overdue(self, held: Held) -> None:
        if self.held is held and not self._starting:
            self._deletions += 1
            self.discard()

    async def expect_end(self, seconds: float, *, restarts: bool) -> None:
        """Returns at its end, of which its supervisor tells before an operator does; or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await first(self.wait(), self._told_end(restarts))

    async def _told_end(self, restarts: bool) -> int:
        if (held := self.held) is not None:
            code = await self._supervisor(held).code_at_end(held.restart, restarts=restarts)
            if code is not None:
                self._coming_end = held, code
        return await self.wait()

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
        seen = self.seen
        code = exit_code(seen.status, wanted=held.restart, current=True) if seen else None
        code = self._coming_end_of(held) if code is None else code
        self._last_code, self.held = (KILLED if code is None else code), None
        self._drop_route()
        return None if seen is not None and seen.taken else self._poster.delete(held.name, held.uid, held.server)

    def _drop_route(self) -> None:
        """An address is one kernel's: the next one gets its own."""
        self.background.errand(self._route.close())
        self._route = Route()
