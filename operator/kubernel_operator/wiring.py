"""The parts of the operator and how they are connected: from a watch's event to the queue of passes."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.follow import Follower
from kubernel_supervisor.bundle import supervisor_source
from kubernel_wire.keys import new_keys

from . import metrics
from .act.apply import Applier
from .act.ask import Asker
from .act.callback_endpoints import CallbackEndpoints
from .act.election import Election
from .act.fence import FencedCluster
from .act.nodes import Nodes
from .act.pod_network import PodNetwork
from .act.pool_writes import PoolWrites
from .act.template_checks import TemplateChecks
from .act.unused_supervisors import UnusedSupervisors
from .decide.plan import Context
from .decide.starting import starts_at_once
from .edge.callback_server import CallbackServer
from .edge.callback_url import resolved
from .edge.handlers import RESOURCES, Kind, Watches
from .edge.health_server import metrics_app, opening, serve
from .housekeeping import Sweeps
from .observe.cache import Cache, Key, key_of
from .observe.kinds import PODS, SERVICES, pool_of, pool_that_made
from .observe.members import Members
from .observe.pod_facts import pod_facts
from .observe.templates import Templates
from .pools import WORKERS, Pools
from .reconcile import Reconciler
from .server_leases import ServerLeases
from .settings import AUTO, Settings, own_namespace
from .tasks import cancelled, until_one_ends, until_stopped

logger = logging.getLogger(__name__)

WATCHES_BEGIN_SECONDS = 5.0
# The callback Service's address can only change when it is deleted and made again.
RESOLVE_SECONDS = 30.0


class Operator:
    """The parts and how they are connected.

    Several may run. All of them watch; one leads, and only that one acts, takes callbacks and tidies up.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        key: bytes,
        callback_url: str,
        clock: Callable[[], float],
        *,
        can_resize: bool,
    ) -> None:
        self._settings, self._can_resize = settings, can_resize
        self._key = key
        self._url = self._resolved_url = callback_url
        self._supervisor = supervisor_source()
        cache = Cache()
        namespace = settings.operator_namespace or own_namespace()
        identity = settings.identity or f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._election = Election(cluster, namespace, settings.lease_name, identity)
        fenced = FencedCluster(cluster, self._election.leads)
        wake, longest = partial(self._add, "instance"), settings.max_orphan_seconds
        self._server_leases = ServerLeases(fenced, cache, wake, self._is_ignored, clock=clock, longest=longest)
        applier = Applier(fenced, cache, clock, operator_key=key)
        asker = Asker(key, PodNetwork(), clock, leads=self._election.leads)
        templates = Templates(namespace)
        self._follower = Follower(cluster, paths.kernel_templates(namespace), {}, templates)
        members = Members(cache)
        self._nodes = Nodes(cluster, settings.node_selector)
        self._reconciler = Reconciler(
            applier, asker, cache, self._server_leases, templates, self._context, clock, members=members
        )
        templates.tell(self._reconciler.template_changed)
        self._pools = Pools(
            PoolWrites(fenced, cache, applier),
            PodNetwork(),
            cache,
            members,
            templates,
            self._context,
            clock,
            starts=self._reconciler.counts.starts,
        )
        templates.tell(self._pools.template_changed)
        self._reconciler.pools = self._pools
        self._template_checks = TemplateChecks(fenced, templates, namespace, settings, clock)
        self._unused_supervisors = UnusedSupervisors(
            fenced, settings.watch_namespaces, cache, applier.lock, self._is_ignored
        )
        self._instances = cache.instances
        self._stores = {
            "instance": cache.instances,
            "pod": cache.pods,
            "service": cache.services,
            "lease": cache.leases,
            "pool": cache.pools,
        }
        interval = settings.sweep_interval_seconds
        self._sweeps = Sweeps(cluster, settings.watch_namespaces, cache, self._add, interval)
        self._endpoints = CallbackEndpoints(
            fenced, namespace, settings.callback_service, settings.pod_ips, settings.callback_port
        )
        self._loop = asyncio.get_running_loop()
        self._last_event: dict[Kind, float] = dict.fromkeys(RESOURCES, self._loop.time())
        self._watches = Watches(settings.watch_namespaces, self._take_from_thread, self._listed_from_thread)
        self._watches_to_begin = len(RESOURCES) * max(1, len(settings.watch_namespaces))
        self._watches_began = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[list[asyncio.Task[None]]]:
        """Everything runs inside. Gives the tasks that must go on for ever."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            await serve(stack, metrics_app(self._update_metrics), settings.metrics_port)
            self._resolved_url = await resolved(self._url)
            election = asyncio.create_task(self._election.run())
            stack.push_async_callback(cancelled, election)
            # Kernels without a template do not wait for it.
            following = asyncio.create_task(self._follower.follow_for_ever())
            stack.push_async_callback(cancelled, following)
            self._watches.start()
            stack.push_async_callback(asyncio.to_thread, self._watches.stop)
            # At the end: nothing acts any more, then the Lease is given back, then the slow rest.
            stack.push_async_callback(cancelled, election)
            # A sweep after the watches began misses nothing. If they cannot begin, a sweep is what tells why.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._watches_began.wait(), WATCHES_BEGIN_SECONDS)
            await self._election.asked()  # an operator that leads at once needs one LIST of everything, not two
            await self._sweeps.first()
            tasks = [asyncio.create_task(each) for each in (self._sweeps.run(), self._resolves(), self._leads())]
            for task in tasks:
                stack.push_async_callback(cancelled, task)
            where = ", ".join(settings.watch_namespaces) or "all namespaces"
            logger.info("Watching %s; kernel pods report to %s.", where, self._resolved_url)
            yield [election, following, *tasks]

    async def _leads(self) -> None:
        while True:
            await self._election.won.wait()
            await until_stopped(self._term(), self._election.lost)

    async def _term(self) -> None:
        """What only the leader does, until it is cancelled."""
        if not self._election.unbroken:
            self._reconciler.forget()
            self._pools.forget()
        await self._sweeps.since(self._election.won_at)
        async with AsyncExitStack() as stack:
            callbacks = CallbackServer(self._key, self._reconciler.take_callback)
            with opening(self._settings.callback_port):
                await stack.enter_async_context(callbacks.serving(self._settings.callback_port))
            # All are looked at once. Those that wait for an operator do not wait for the others.
            self._reconciler.queue.begin(key for key in self._instances.keys() if not self._is_ignored(key[0]))  # noqa: SIM118
            for key in self._instances.unanswered():
                self._add("instance", key)
            for key in self._stores["pool"].keys():  # noqa: SIM118
                self._add("pool", key)
            work = [
                self._reconciler.queue.run(self._settings.workers),
                self._reconciler.questions.run(),
                self._pools.queue.run(WORKERS),
                self._server_leases.run(),
                self._template_checks.run(),
                self._unused_supervisors.run(),
            ]
            if self._settings.max_starting == AUTO and not self._settings.watch_namespaces:
                work.append(self._nodes.run())
            if self._settings.callback_service:
                work.append(self._endpoints.run())
            tasks = [asyncio.create_task(each) for each in work]
            for task in tasks:
                stack.push_async_callback(cancelled, task)
            stack.callback(self._reconciler.counts.clear)
            await until_one_ends(tasks)

    def missing(self) -> str:
        """What must happen before it is ready; "" when it is."""
        if not self._sweeps.synced:
            return "the first LIST of KernelInstances, KernelPools, Pods, Services and Leases is not done"
        if not self._watches.ready.is_set():
            return "the watches are not established"
        return "" if self._election.knows else self._election.problem

    def _update_metrics(self) -> None:
        leads, queue = self._election.leads(), self._reconciler.queue
        metrics.LEADER.set(leads)
        metrics.QUEUE_DEPTH.set(queue.depth() if leads else 0)  # a candidate's queue waits for its turn to lead
        metrics.QUEUE_OLDEST.set(queue.oldest_seconds() if leads else 0)
        metrics.STARTS_QUEUED.set(self._reconciler.turns.waiting if leads else 0)
        self._reconciler.counts.export()
        for kind, time in self._last_event.items():
            metrics.WATCH_LAST_EVENT.labels(kind).set(self._loop.time() - time)

    def _context(self) -> Context:
        return Context(
            self._settings,
            self._key,
            self._supervisor,
            self._resolved_url,
            new_keys,
            can_resize=self._can_resize,
            starts_at_once=starts_at_once(self._settings.max_starting, self._nodes.cpus),
        )

    async def _resolves(self) -> None:
        while True:
            await asyncio.sleep(RESOLVE_SECONDS)
            self._resolved_url = await resolved(self._url)

    def _listed_from_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._listed)

    def _listed(self) -> None:
        self._sweeps.want()
        self._watches_to_begin -= 1
        if self._watches_to_begin <= 0:
            self._watches_began.set()

    def _take_from_thread(self, kind: Kind, type_: str, obj: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._take, kind, type_, obj)

    def _take(self, kind: Kind, type_: str, obj: dict[str, Any]) -> None:
        self._last_event[kind] = self._loop.time()
        store = self._stores[kind]
        if type_ == "DELETED":
            store.remove(obj)
        elif not store.put(obj, is_cut=True):
            return
        namespace, name = key_of(obj)
        if kind == "pod" and (type_ == "DELETED" or (obj.get("status") or {}).get("phase") in {"Failed", "Succeeded"}):
            self._reconciler.pod_went(namespace)  # neither counts against a quota
        kinds = {"pod": PODS, "service": SERVICES}
        owner = kinds[kind].link(obj) if kind in kinds else name
        if owner is not None:
            if kind == "pod" and type_ == "DELETED":
                self._reconciler.pod_is_gone((namespace, owner), pod_facts(obj))
            self._add(kind, (namespace, owner))
        pool = pool_that_made(obj) if kind == "pod" else None
        if pool is not None and pool_of(owner or "") is None and not self._is_ignored(namespace):
            self._pools.lost_a_member((namespace, pool))  # perhaps by another operator's claim

    def _add(self, kind: str, key: Key) -> None:
        """Something is news: a Lease, or a KernelInstance, or a part of one."""
        if kind == "lease":
            self._server_leases.take(key)
        elif self._is_ignored(key[0]):
            return
        elif kind == "pool":
            self._pools.queue.add(key)
        elif (pool := pool_of(key[1])) is not None:
            self._pools.queue.add((key[0], pool))
        else:
            self._reconciler.queue.add(key)

    def _is_ignored(self, namespace: str) -> bool:
        ignored = (fnmatch.fnmatch(namespace, pattern) for pattern in self._settings.ignore_namespaces)
        return namespace in self._sweeps.unknown or any(ignored)
