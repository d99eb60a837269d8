"""From a KernelInstance that was posted to connection info that was proved to work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kubernel_api.connection import connection_info
from kubernel_api.names import secret_name
from kubernel_cluster.errors import ApiError
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.reach.route import Route, find_route

from .kernel_resource import Identity, PodOptions, SpecFacts, build_kernel_instance, is_installed
from .key_again import make_key_again
from .narrator import Narrator
from .subject import Subject
from .supervised import Supervisor
from .verdict import Goal, Unseen, judge
from .waiting import OPERATOR_WARNING_SECONDS, Patience, until_over, until_ready

# The operator writes the Secret within some 20 ms; a kernel needs half a second more. One read in between finds it, and
# when the kernel is ready nothing has to be read any more.
SECRET_READ_SECONDS = 0.2

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class LaunchRequest:
    """What a launch needs to know; see ``kernel_resource.build_kernel_instance``.

    Args:
        orphan_after: seconds for which this process may be away before its kernels are deleted.
        may_move: whether a kernel that is over for good may come back at another address.
        owner: see ``kernel_resource.Identity``.
        session: see ``kernel_resource.Identity``.
        left: the KernelInstance of an earlier server that starts already, to go on with in place of a new one.
    """

    kernel_id: str
    spec: SpecFacts
    options: PodOptions
    cmd: list[str]
    env: dict[str, str]
    encryption: str
    access: str
    patience: Patience
    orphan_after: int
    may_move: bool = True
    owner: str = ""
    session: Mapping[str, Any] | None = None
    left: dict[str, Any] | None = None

    def instance(self, name: str, *, server: str, lease: str) -> dict[str, Any]:
        """The KernelInstance of that name, driven by that server and bound to that Lease."""
        identity = Identity(self.kernel_id, server, lease, self.owner, self.session)
        return build_kernel_instance(
            name, identity, self.spec, self.options, cmd=self.cmd, env=self.env, encryption=self.encryption
        )


@dataclass(frozen=True)
class Held:
    """The KernelInstance that this server holds.

    Args:
        name: its name.
        uid: its uid.
        generation: its ``metadata.generation`` after our last write.
        restart: the restartGeneration that was last asked for.
        info: connection info; empty until the kernel was ready once.
        server: the one that drives it, in its label.
        secret: data of its connection Secret, base64, when this process has made it; None: it has to be read.
    """

    name: str
    uid: str
    generation: int
    restart: int
    info: dict[str, Any] = field(repr=False)
    server: str = ""
    secret: dict[str, str] | None = field(default=None, repr=False)


async def until_usable(
    cluster: Cluster, held: Held, route: Route, request: LaunchRequest, log: logging.Logger, supervisor: Supervisor
) -> dict[str, Any]:
    """Connection info with the cluster's own addresses, once the kernel has answered along its route.

    Args:
        cluster: where it is.
        held: the KernelInstance after our last write.
        route: the way that its clients know already; found here for a new kernel.
        request: how it was asked for.
        log: the provisioner's.
        supervisor: the kernel's, which is asked when no operator says that a restart is done.

    Raises:
        KubernelError: it did not start, or cannot be reached.
    """
    kernelspec = request.spec.name if is_installed(request.spec) else ""
    subject = Subject(held.name, cluster.api.namespace, cluster.api.key.kubectl(), kernelspec)
    goal = Goal(held.generation, held.restart)
    narrator = Narrator(log, str(subject), time.monotonic)
    patience = request.patience.for_restart() if held.info else request.patience
    ready = until_ready(cluster.view, subject, goal, patience, narrator)
    doubt = _doubt_the_watch(cluster, held.name, goal)
    if held.info:
        # Without a Service the address is the pod's, and another one when the pod was replaced.
        ways = _address(_beside(doubt, ready)), _same_address(supervisor, held)
        direct = {**held.info, "ip": await _beside(make_key_again(cluster, held.name, held.secret, log), first(*ways))}
    else:
        direct = connection_info(*await _both(_beside(doubt, ready), _secret(cluster, held)))
    proof = find_route(route, request.access, cluster, direct, lambda: pod_of(cluster, held))
    await _unless_over(proof, until_over(cluster.view, subject, goal))
    return direct


async def _doubt_the_watch(cluster: Cluster, name: str, goal: Goal) -> None:
    """Looks anew when no operator seems to have looked: a proxy may hold a watch open that has lost its other end."""
    await asyncio.sleep(OPERATOR_WARNING_SECONDS)
    seen = cluster.view.get(name)
    if seen is None or isinstance(judge(seen.instance, goal, gone=seen.gone), Unseen):
        cluster.look_anew()


async def _address(ready: Coroutine[Any, Any, dict[str, Any]]) -> str:
    return str((await ready)["ip"])


async def _same_address(supervisor: Supervisor, held: Held) -> str:
    """A kernel that was restarted in place is where it was."""
    await supervisor.until_restarted(held.restart)
    return str(held.info["ip"])


def pod_of(cluster: Cluster, held: Held) -> str | None:
    """The name of the kernel's pod as it is now."""
    seen = cluster.view.get(held.name)
    return seen.status.get("podName") if seen else None


async def _secret(cluster: Cluster, held: Held) -> dict[str, str]:
    """The connection Secret's data.

    The operator's is read while the kernel boots and, if need be, again when the status names it.
    """
    if held.secret is not None:
        return held.secret
    name, known = secret_name(held.name, held.uid), cluster.view.get(held.name)
    await cluster.view.change(held.name, known, SECRET_READ_SECONDS)
    while True:
        known = cluster.view.get(held.name)
        try:
            return await cluster.api.read_secret(name)
        except ApiError as error:
            is_named = "secretName" in ((known.status.get("connection") if known else None) or {})
            if error.status != 404 or is_named:
                raise cluster.api.explain(error, "read the key of the kernel") from error
        await cluster.view.change(held.name, known, None)


async def _unless_over(work: Coroutine[Any, Any, None], over: Coroutine[Any, Any, None]) -> None:
    """Waits for ``work``, unless ``over`` raises before."""
    working, watching = asyncio.create_task(work), asyncio.create_task(over)
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await watching
        await working
    finally:
        await _cancel(working, watching)


async def _both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Both results; as soon as one fails, its error, and the other is cancelled."""
    tasks = asyncio.create_task(one), asyncio.create_task(other)
    try:
        return await asyncio.gather(*tasks)
    finally:
        await _cancel(*tasks)


async def _beside(errand: Coroutine[Any, Any, None], work: Coroutine[Any, Any, T]) -> T:
    """What comes of the work; the errand is done meanwhile, as far as it gets."""
    task = asyncio.create_task(errand)
    try:
        return await work
    finally:
        await _cancel(task)


async def first(*ways: Coroutine[Any, Any, T]) -> T:
    """The result, or the error, of whichever comes first; the others are cancelled."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return await done.pop()
    finally:
        await _cancel(*tasks)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
