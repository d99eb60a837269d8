"""How kopf is set up: watches and nothing else. No annotations, no finalizers, no Events of its own."""

from __future__ import annotations

import itertools
import random
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import aiohttp
import kopf
from kopf._core.reactor.inventory import ResourceMemories

from kubernel_cluster.pool import keepalive_socket
from kubernel_operator.observe.sweep import LABEL_SELECTOR

from .watch_stream import WatchStream

# Bookmarks come about once a minute: a shorter limit would cut healthy watches.
INACTIVITY_SECONDS = 65.0


# So long the task that waits for an object's next event holds the last one.
IDLE_SECONDS = 0.05


class Backoffs:
    """Growing, jittered, endless: an API server that is away for an hour must not end the operator."""

    def __iter__(self) -> Iterator[float]:
        """Seconds; kopf starts anew for each request."""
        for seconds in itertools.chain((0.2, 0.5, 1.0, 2.0), itertools.repeat(5.0)):
            yield seconds * random.uniform(0.5, 1.0)  # noqa: S311


class NoDiffBase(kopf.DiffBaseStorage):
    """Stores nothing: no handler here asks what changed."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        """An empty essence."""
        return {}

    def fetch(self, *, body: Any) -> Any:
        """Nothing was stored."""
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Nothing is stored."""


class NoProgress(kopf.ProgressStorage):
    """Stores nothing: no handler here is retried by kopf."""

    def fetch(self, *, key: Any, body: Any) -> Any:
        """Nothing was stored."""
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        """Nothing is stored."""

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        """Nothing to remove."""

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        """Nothing to touch."""

    def clear(self, *, essence: Any) -> Any:
        """Nothing of ours is in it."""
        return essence


class NoMemories(ResourceMemories):
    """Remembers no object: 3 kB for each one otherwise, of what no handler here has (daemons, indices, retries)."""

    async def recall(self, raw_body: Any, **options: Any) -> Any:
        """A fresh memory; nothing is kept of it."""
        return await super().recall(raw_body, **options | {"ephemeral": True})


def kopf_settings() -> kopf.OperatorSettings:
    """Kopf's settings; what differs from the defaults says why."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # the CRD comes with the chart; without scanning, fewer rights are needed
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.watching.label_selectors["pods"] = LABEL_SELECTOR  # on the server: not every pod of the cluster
    settings.watching.label_selectors["services"] = LABEL_SELECTOR
    settings.watching.label_selectors["leases.coordination.k8s.io"] = LABEL_SELECTOR
    settings.watching.chunk_size = 1  # see session()
    settings.watching.inactivity_timeout = INACTIVITY_SECONDS
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.networking.connect_timeout = 5.0
    settings.networking.request_timeout = 30.0
    settings.networking.error_backoffs = Backoffs()
    settings.persistence.finalizer = "kubernel.dev/unused"
    settings.persistence.consistency_timeout = 0
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.process.ultimate_exiting_timeout = None  # it would kill the process, not the thread
    return settings


def session(
    info: kopf.ConnectionInfo,
    listed: Callable[[], None],
    take: Callable[[str, str, dict[str, Any]], None],
    readers: Mapping[str, Callable[[bytes], Any]],
) -> kopf.AiohttpSession:
    """Kopf's connection with TCP keep-alive: a node that vanished without a word is noticed within 25 s.

    A watch begins with a LIST, and a sweep lists everything anyway. So kopf asks for one object and gets none: it
    learns from which version to watch. Otherwise it holds all objects at once, each with a task of its own: 115 MiB
    for 2,000 kernels.

    Args:
        info: credentials.
        listed: called for each LIST.
        take: called with the plural, the type and the object of each event of a watch.
        readers: by plural, what makes an event of its JSON.
    """

    class Answer(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> Any:
            await super().start(connection)
            if "watch" in self.url.query and self.ok:
                plural = self.url.name
                stream = WatchStream(self.content, partial(take, plural), readers[plural])
                self.content = stream  # type: ignore[assignment]
            return self

        async def json(self, **options: Any) -> Any:
            answer = await super().json(**options)
            if isinstance(answer, dict) and "items" in answer:
                answer["items"] = []
                answer["metadata"].pop("continue", None)
                listed()
            return answer

    context = info.as_ssl_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as for our own requests: see kubernel_cluster.login
    connector = aiohttp.TCPConnector(limit=0, ssl=context, socket_factory=keepalive_socket)
    return kopf.AiohttpSession(
        server=info.server,
        default_namespace=info.default_namespace,
        aiohttp_session=aiohttp.ClientSession(
            connector=connector, headers=info.as_http_headers(), response_class=Answer
        ),
    )
