"""The operator as a whole: starts its parts in order and stops them in the reverse one."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import zmq
from aiohttp import web

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_supervisor.bootstrap import supervisor_source

from .act.apply import Applier
from .act.operator_key import read_operator_key
from .act.pod_network import PodNetwork
from .build.secret import ConnectionKeys
from .decide.leases import abandoned_leases
from .decide.plan import Context
from .edge.callback_server import callback_app
from .edge.callback_url import own_url, resolved
from .edge.handlers import Kind, Watches
from .edge.health_server import health_app, metrics_app
from .observe.cache import Store, key_of
from .observe.sweep import sweep
from .reconcile import Reconciler
from .settings import Settings, SettingsError, own_namespace

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
_NOT_ANSWERED = "the API server has not answered yet"
# kopf lists again after a watch broke, and says nothing of what vanished meanwhile. One sweep for one such LIST.
RELIST_SECONDS = 1.0
# The callback Service's address can only change when it is deleted and made again.
RESOLVE_SECONDS = 30.0


async def run(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    operator: Operator | None = None
    async with AsyncExitStack() as stack:
        cluster = await Cluster.connect()
        stack.push_async_callback(cluster.close)
        await _serve(stack, health_app(lambda: operator.missing() if operator else _NOT_ANSWERED), settings.health_port)
        operator = await _until_stopped(_connected(cluster, settings), stop)
        if operator is None:
            return 0
        tasks = await _until_stopped(stack.enter_async_context(operator.running()), stop)
        if tasks is not None:
            await _until_stopped(until_one_ends(tasks), stop)
        logger.info("Stopping. Running kernels do not notice.")
    return 0


async def _connected(cluster: Cluster, settings: Settings) -> Operator:
    """What must be read before anything can start; tried until it works, so that a restart loop never begins."""
    while True:
        try:
            namespace = settings.operator_namespace or own_namespace()
            key = await read_operator_key(cluster, namespace, settings.operator_secret_name)
            url = settings.callback_url or await own_url(cluster, settings.callback_port)
        except ClusterError as error:
            logger.warning("Not started yet: %s", _advice(error))
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return Operator(cluster, settings, key, url)


class Operator:
    """The parts and how they are connected."""

    def __init__(self, cluster: Cluster, settings: Settings, key: bytes, callback_url: str) -> None:
        self._cluster = cluster
        self._settings = settings
        self._key = key
        self._url = self._resolved_url = callback_url
        self._supervisor = supervisor_source()
        self._synced = False
        self._relisted = asyncio.Event()
        pods, leases = Store(), Store()
        self._reconciler = Reconciler(Applier(cluster, pods, leases, key, PodNetwork()), pods, leases, self._context)
        self._loop = asyncio.get_running_loop()
        self._watches = Watches(settings.watch_namespaces, self._take_from_thread)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[list[asyncio.Task[None]]]:
        """Everything runs inside. Gives the tasks that must go on for ever."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            await _serve(stack, metrics_app(), settings.metrics_port)
            self._resolved_url = await resolved(self._url)
            await self._first_sweep()
            app = callback_app(self._key, self._reconciler.take_callback)
            await _serve(stack, app, settings.callback_port)
            work = (self._reconciler.queue.run(settings.workers), self._sweeps(), self._resolves())
            tasks = [asyncio.create_task(each) for each in work]
            for task in tasks:
                stack.push_async_callback(_cancelled, task)
            self._watches.start()
            stack.push_async_callback(asyncio.to_thread, self._watches.stop)
            where = ", ".join(settings.watch_namespaces) or "all namespaces"
            logger.info("Watching %s; kernel pods report to %s.", where, self._resolved_url)
            yield tasks

    def _context(self) -> Context:
        return Context(self._settings, self._key, self._supervisor, self._resolved_url, new_keys)

    def missing(self) -> str:
        """What must happen before it is ready; "" when it is."""
        if not self._synced:
            return "the first LIST of KernelInstances, Pods and Leases is not done"
        return "" if self._watches.ready.is_set() else "the watches are not established"

    async def _first_sweep(self) -> None:
        while not self._synced:
            try:
                await self._sweep()
                self._synced = True
            except ClusterError as error:
                logger.warning("Not ready yet: %s", _advice(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _sweeps(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._relisted.wait(), self._settings.sweep_interval_seconds)
                await asyncio.sleep(RELIST_SECONDS)
            self._relisted.clear()
            try:
                await self._sweep()
            except ClusterError as error:
                logger.info("A comparison with the API server failed and will be tried again: %s", error)
                self._relisted.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _resolves(self) -> None:
        while True:
            await asyncio.sleep(RESOLVE_SECONDS)
            self._resolved_url = await resolved(self._url)

    async def _sweep(self) -> None:
        r = self._reconciler
        namespaces = self._settings.watch_namespaces or (None,)
        await sweep(self._cluster, namespaces, (r.instances, r.pods, r.leases), self._add)
        for lease in abandoned_leases(r.leases.values(), r.instances.values(), time.time()):
            namespace, name = key_of(lease)
            if not self._is_ignored(namespace):
                logger.info("%s/%s: delete the Lease: its server is gone and left no kernel", namespace, name)
                await self._cluster.delete(f"{paths.leases(namespace)}/{name}", uid=lease["metadata"]["uid"])

    def _take_from_thread(self, kind: Kind, type_: str | None, obj: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._take, kind, type_, obj)

    def _take(self, kind: Kind, type_: str | None, obj: dict[str, Any]) -> None:
        if type_ is None:
            self._relisted.set()
        r = self._reconciler
        store = {"instance": r.instances, "pod": r.pods, "lease": r.leases}[kind]
        if type_ == "DELETED":
            store.remove(obj)
        elif not store.put(obj):
            return
        if kind != "lease":
            self._add(kind, obj)

    def _is_ignored(self, namespace: str) -> bool:
        return any(fnmatch.fnmatch(namespace, pattern) for pattern in self._settings.ignore_namespaces)

    def _add(self, kind: str, obj: dict[str, Any]) -> None:
        namespace, name = key_of(obj)
        if self._is_ignored(namespace):
            return
        if kind == "instance":
            self._reconciler.queue.add((namespace, name))
            return
        for owner in obj["metadata"].get("ownerReferences") or []:
            self._reconciler.queue.add((namespace, owner["name"]))


def new_keys(encrypted: bool) -> ConnectionKeys:
    """Fresh keys; with a CurveZMQ pair when the connection is encrypted."""
    curve = zmq.curve_keypair() if encrypted else None
    return ConnectionKeys(secrets.token_hex(32), (curve[0].decode(), curve[1].decode()) if curve else None)


async def _serve(stack: AsyncExitStack, app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, port=port).start()
    except OSError as error:
        raise SettingsError(
            f"port {port} cannot be opened ({error.strerror}); choose another one, see --help"
        ) from error


async def until_one_ends(tasks: list[asyncio.Task[None]]) -> None:
    """Raises what ended one of them: an operator that does half of its work looks well and is not."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    raise RuntimeError("a task that should run for ever has ended")


async def _cancelled(task: asyncio.Future[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _until_stopped(work: Any, stop: asyncio.Event) -> Any:
    """The result of ``work``, or None when the operator is stopped before."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    await _cancelled(task)
    return None


def _advice(error: ClusterError) -> str:
    if isinstance(error, ApiError) and error.status == 404:
        return f"{error} - is the CRD installed? kubectl get crd kernelinstances.kubernel.dev"
    if isinstance(error, ApiError) and error.status == 403:
        return f"{error} - the chart's RBAC gives this right; see helm get manifest"
    return str(error)
