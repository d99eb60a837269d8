"""The operator's process: starts, runs until a signal, and stops in the reverse order."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from kubernel_cluster.cluster import Cluster

from .act.discovery import can_resize_pods
from .act.operator_key import read_operator_key
from .edge.callback_url import own_url
from .edge.health_server import health_app, serve
from .edge.metered_cluster import MeteredCluster
from .patience import until_it_works
from .settings import Settings, own_namespace
from .steady_clock import SteadyClock
from .tasks import until_one_ends, until_stopped
from .wiring import Operator

logger = logging.getLogger(__name__)

_NOT_ANSWERED = "the API server has not answered yet"


async def run(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    operator: Operator | None = None
    async with AsyncExitStack() as stack:
        cluster = await MeteredCluster.connect()
        stack.push_async_callback(cluster.close)
        await serve(stack, health_app(lambda: operator.missing() if operator else _NOT_ANSWERED), settings.health_port)
        operator = await until_stopped(_connected(cluster, settings), stop)
        if operator is None:
            return 0
        tasks = await until_stopped(stack.enter_async_context(operator.running()), stop)
        if tasks is not None:
            await until_stopped(until_one_ends(tasks), stop)
        logger.info("Stopping. Running kernels do not notice.")
    return 0


async def _connected(cluster: Cluster, settings: Settings) -> Operator:
    """What must be read before anything can start; tried until it works, so that a restart loop never begins."""

    async def connect() -> Operator:
        namespace = settings.operator_namespace or own_namespace()
        key = await read_operator_key(cluster, namespace, settings.operator_secret_name)
        url = settings.callback_url or await own_url(cluster, settings.callback_port)
        clock = SteadyClock(await cluster.time())
        return Operator(cluster, settings, key, url, clock, can_resize=await can_resize_pods(cluster))

    return await until_it_works("Not started yet", connect)
