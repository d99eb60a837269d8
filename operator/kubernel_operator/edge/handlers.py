"""kopf's edge: five watches that hand each event on. No decision is made here."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal

import aiohttp
import kopf
from kopf._cogs.clients.errors import APIError
from kopf._cogs.structs.references import Insights

from kubernel_api.constants import GROUP, PLURAL, POOL_PLURAL, VERSION
from kubernel_cluster.login import ACCOUNT
from kubernel_operator import metrics
from kubernel_operator.observe.kinds import INSTANCES, LEASES, PODS, POOLS, SERVICES

from .kopf_settings import NoMemories, kopf_settings, session

logger = logging.getLogger(__name__)

Kind = Literal["instance", "pod", "service", "lease", "pool"]
Take = Callable[[Kind, str, dict[str, Any]], None]
RESOURCES: dict[Kind, tuple[str, str, str]] = {
    "instance": (GROUP, VERSION, PLURAL),
    "pod": ("", "v1", "pods"),
    "service": ("", "v1", "services"),
    "pool": (GROUP, VERSION, POOL_PLURAL),
    "lease": ("coordination.k8s.io", "v1", "leases"),
}
KINDS: dict[str, Kind] = {resource[-1]: kind for kind, resource in RESOURCES.items()}
READERS = {
    "kernelinstances": INSTANCES.read_event,
    "pods": PODS.read_event,
    "services": SERVICES.read_event,
    "kernelpools": POOLS.read_event,
    "leases": LEASES.read_event,
}
RESTART_SECONDS = 1.0
NOT_SERVED_SECONDS = 2.0
CANCEL_SECONDS = 1.0
AUTHORITY = ACCOUNT / "ca.crt"
AUTHORITY_SECONDS = 10.0
# Only peering uses it. kopf would otherwise ask for the name of the user, and a bare uid in a container has none.
IDENTITY: Any = "kubernel"


class NotServedError(Exception):
    """The API server does not serve what is to be watched; the message says what, and what to do."""


def registry(take: Take, listed: Callable[[], None]) -> kopf.OperatorRegistry:
    """Calls ``take(kind, event type, object)`` for each event, and ``listed`` for each LIST that begins a watch.

    An object has nothing that is not kept of its kind.

    The handlers say what is to be watched, and are never called: ``watch_stream`` takes the events before kopf.
    """
    handlers = kopf.OperatorRegistry()

    def take_early(plural: str, type_: str, obj: dict[str, Any]) -> None:
        take(KINDS[plural], type_, obj)

    @kopf.on.login(registry=handlers)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        info = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        return session(info, listed, take_early, READERS) if info else None

    async def watched(**_: Any) -> None:
        pass

    for kind, resource in RESOURCES.items():
        kopf.on.event(*resource, registry=handlers, id=kind)(watched)
    return handlers


class Watches:
    """Runs kopf in a thread and loop of its own, again and again until stopped.

    kopf 1.45 ends on some errors (410 at connect, other ERROR events): then the watches start anew in another loop, and
    the operator goes on. It looks once what the API server serves, and never watches what it did not find: a CRD that
    is applied after the operator, or an API server that has just started. Then they start anew, too.
    """

    def __init__(self, namespaces: tuple[str, ...], take: Take, listed: Callable[[], None]) -> None:
        """All that they need.

        Args:
            namespaces: those that are watched; () for all.
            take: called with each event, in kopf's thread.
            listed: called, in kopf's thread, when a watch is built anew: what happened before it will not be told.
        """
        self._namespaces = namespaces
        self._take = take
        self._listed = listed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._end_run: Callable[[], object] = lambda: None
        self.ready = threading.Event()

    def start(self) -> None:
        """Starts watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stops watching; returns when the watches are closed."""
        self._stop.set()
        self._end_run()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = RESTART_SECONDS
            try:
                asyncio.run(self._operator())
            except NotServedError as error:
                logger.warning("%s", error)
                pause = NOT_SERVED_SECONDS
            except APIError as error:  # kopf has logged where it came from
                logger.warning("The watches ended, and start again: %s", error)
            except Exception:
                logger.exception("The watches ended; they start again.")
            if not self._stop.is_set():
                metrics.WATCH_RESTARTS.inc()
                self.ready.clear()
                self._stop.wait(pause)

    async def _operator(self) -> None:
        # An Event of this loop: kopf waits for one of threads in an executor, which would keep a run that has failed
        # from ending.
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._end_run = lambda: loop.is_closed() or loop.call_soon_threadsafe(stop.set)
        if self._stop.is_set():
            return
        loop.set_exception_handler(lambda _, context: log_unhandled(context))
        insights = Insights()
        tasks = await kopf.spawn_tasks(
            registry=registry(self._take, self._listed),
            settings=kopf_settings(),
            identity=IDENTITY,
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            memories=NoMemories(),
            insights=insights,
            stop_flag=stop,
        )
        is_ready = asyncio.create_task(self._becomes_ready(insights))
        others = asyncio.create_task(other_contents(AUTHORITY))
        ended, _ = await asyncio.wait([*tasks, is_ready, others], return_when=asyncio.FIRST_COMPLETED)
        if others in ended:
            logger.info("The cluster has another certificate authority: the watches start anew with it.")
        await end_all_tasks()
        for task in ended:
            task.result()

    async def _becomes_ready(self, insights: Insights) -> None:
        """Waits for ever, unless something is not served.

        Raises:
            NotServedError: kopf would not watch it, whatever happens later.
        """
        await insights.ready_resources.wait()
        require_served({resource.plural for resource in insights.watched_resources})
        self.ready.set()
        await asyncio.Event().wait()


async def other_contents(file: Path) -> None:
    """Returns when a file has other contents than now.

    kopf reads the certificate authority once, and whatever the API server's new certificate makes of its requests it
    tries again.
    """
    before = _contents(file)
    while _contents(file) == before:  # noqa: ASYNC110 - a file tells nobody
        await asyncio.sleep(AUTHORITY_SECONDS)


def _contents(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # not in a pod
        return b""


def require_served(found: Collection[str]) -> None:
    """Checks that all that is to be watched is among the plurals that were found.

    Raises:
        NotServedError: it is not.
    """
    missing = [
        ".".join(filter(None, (plural, group))) for group, _, plural in RESOURCES.values() if plural not in found
    ]
    if missing:
        raise NotServedError(
            f"The API server does not serve {', '.join(missing)}: are the CRDs installed? kubectl get crd {missing[0]}"
        )


def log_unhandled(context: dict[str, Any]) -> None:
    """Logs what kopf's loop tells of errors that nobody awaits.

    A connection that broke while its task was being ended has been logged by kopf before, and kopf leaves sessions open
    when it is ended in the middle of a request; anything else is a fault.
    """
    error = context.get("exception")
    known = context["message"].startswith("Unclosed ") or isinstance(
        error, OSError | TimeoutError | aiohttp.ClientError | asyncio.CancelledError
    )
    logger.log(logging.DEBUG if known else logging.WARNING, "kopf: %s", context["message"], exc_info=error)


async def end_all_tasks() -> None:
    """Cancels all other tasks of this loop until they have ended.

    kopf's own way waits 5 s, and for ever when a watch takes its cancellation for a pause and asks for a new login.
    """
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
