"""One pass over one Lease: does the server that renews it still live?

A Lease is looked at when it should end and not when it is renewed, and asked for once, however many kernels go by it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ApiUnavailableError

from .act.lease_requests import delete_lease, read_lease
from .decide.leases import (
    ABANDONED_AFTER_SECONDS,
    LeaseClock,
    Verdict,
    after_answer,
    after_look,
    after_silence,
    bounded,
    judged,
)
from .observe.cache import Cache, Key
from .observe.facts import LeaseFacts, lease_facts
from .work_queue import WorkQueue

logger = logging.getLogger(__name__)

# A thousand Leases that end together after an outage should not fill the API server's queues.
WORKERS = 8


class ServerLeases:
    """The Leases of all servers, each with the time at which it was last seen to change."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        wake: Callable[[Key], None],
        is_ignored: Callable[[str], bool] = lambda _: False,
        *,
        clock: Callable[[], float],
        longest: float = 0,
    ) -> None:
        """All that it needs.

        Args:
            cluster: the API server.
            cache: what is known.
            wake: called with the key of each KernelInstance whose server is gone.
            is_ignored: whether a namespace is to be left alone.
            clock: the operator's own, in seconds.
            longest: seconds that a renewal lasts at most, whatever the server asks for; 0: no bound.
        """
        self._cluster = cluster
        self._cache = cache
        self._wake = wake
        self._is_ignored = is_ignored
        self._clock = clock
        self._longest = longest
        self._clocks: dict[Key, LeaseClock] = {}
        self.queue: WorkQueue[Key] = WorkQueue(self.look, _log_failure)

    async def run(self) -> None:
        """Looks at each Lease when it is time to. Runs until cancelled."""
        await self.queue.run(WORKERS)

    def take(self, key: Key) -> None:
        """A Lease changed in the cache. A mere renewal waits for the look that is due anyway."""
        old = self._clocks.get(key)
        clock = self._clocks[key] = after_look(old, self._facts(key), self._clock())
        if old is None or old.asked is not None or clock.duration < old.duration:
            self.queue.add(key)

    def has_expired(self, key: Key, known_since: float) -> bool:
        """Whether a server is gone, as far as a KernelInstance that goes by its Lease is concerned.

        A server that slept comes back with a renewal and a new kernel, and the kernel's event may be first. So what
        the API server said of the Lease before the KernelInstance was known does not count for it.

        Args:
            key: of the Lease.
            known_since: when the KernelInstance was first seen, by the same clock.
        """
        clock = self._clocks.get(key)
        if clock is None:
            self.take(key)
            return False
        if clock.asked is not None and clock.asked < known_since:
            self._clocks[key] = after_silence(clock)
            self.queue.add(key)
            return False
        return judged(clock, True, self._clock()).verdict is Verdict.EXPIRED

    async def look(self, key: Key) -> None:
        """One pass.

        Raises:
            ApiUnavailableError: the API server was asked and did not answer; the queue comes back.
        """
        named = self._cache.instances.linked_keys(*key)
        lease = self._facts(key)
        if self._is_ignored(key[0]) or (lease is None and not named):
            self._clocks.pop(key, None)
            self.queue.forget(key)
            return
        clock = self._clocks[key] = after_look(self._clocks.get(key), lease, self._clock())
        judgement = judged(clock, bool(named), self._clock())
        if judgement.verdict is Verdict.LATE:
            clock = await self._ask(key, clock)
            judgement = judged(clock, bool(named), self._clock())
        again_at = judgement.again_at
        if judgement.verdict is Verdict.EXPIRED:
            for instance in named:
                self._wake(instance)
        elif judgement.verdict is Verdict.ABANDONED and lease is not None:
            again_at = await self._delete(key, lease)
        if again_at is not None:
            self.queue.add_after(key, again_at - self._clock())

    async def _ask(self, key: Key, clock: LeaseClock) -> LeaseClock:
        logger.debug("%s/%s: read the Lease: it was not renewed in time", *key)
        try:
            found = await read_lease(self._cluster, key)
        except ApiUnavailableError:
            self._clocks[key] = after_silence(clock)
            raise
        if found is not None:
            self._cache.leases.put(found)
        elif known := self._cache.leases.get(key):
            self._cache.leases.remove(known)
        # What the cache has by now may be newer than the answer.
        clock = after_answer(self._clocks.get(key, clock), self._facts(key), self._clock())
        self._clocks[key] = clock
        return clock

    async def _delete(self, key: Key, lease: LeaseFacts) -> float | None:
        """Deletes an abandoned Lease; when to try again if that is refused, by a policy say."""
        try:
            await delete_lease(self._cluster, lease)
        except ApiError as error:
            logger.warning("%s/%s: the Lease of a server that is gone was not deleted: %s", *key, error)
            return self._clock() + ABANDONED_AFTER_SECONDS
        logger.info("%s/%s: deleted the Lease: its server is gone and left no kernel", *key)
        return None

    def _facts(self, key: Key) -> LeaseFacts | None:
        lease = self._cache.leases.get(key)
        return bounded(lease_facts(lease), self._longest) if lease else None


def _log_failure(key: Key, error: Exception) -> None:
    logger.warning("%s/%s: the Lease will be looked at again: %s", *key, str(error) or type(error).__name__)
