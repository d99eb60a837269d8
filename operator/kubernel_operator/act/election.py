"""Which of several operators acts: the one that holds a Lease. client-go's rule, for one asyncio loop.

``kubernetes.aio.leaderelection`` is not used. It measures with the wall clock, so a step of the clock makes two leaders
or none; a renewal that hangs or is refused at the connection goes on holding, or ends the election while the leader's
work goes on; it writes local time as UTC; and it cannot give the Lease back. What is left of it is one GET and one PUT.

No time of one machine is compared with another's. A holder counts its deadline from before it *asked* for a renewal; a
candidate counts the Lease's duration from when it *saw* the last one. So the holder has stopped before anybody else
starts, as long as their clocks run at about the same speed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_operator.clock import rfc3339_micro

logger = logging.getLogger(__name__)

# A candidate takes a Lease that it saw unchanged for this time. With POLL_SECONDS, a leader that was killed is replaced
# within 14 s.
LEASE_SECONDS = 12
# A holder that could not renew for this time stops. What it has sent by then has the rest of LEASE_SECONDS to arrive.
RENEW_DEADLINE_SECONDS = 8.0
RENEW_SECONDS = 2.0
# How often a candidate looks: a Lease that was given back is taken this soon.
POLL_SECONDS = 1.0
REQUEST_SECONDS = 4.0

_NEVER = float("-inf")


class Election:
    """A candidate for one Lease.

    Attributes:
        problem: why nothing is known of the Lease at the moment; "" when something is.
        holder: who holds it as far as is known, "" for nobody.
        won: set while this process leads, as far as its tasks have noticed; ``leads`` is exact.
        lost: set when it does not any more.
        knows: whether the API server ever said who holds the Lease.
        won_at: monotonic seconds before which the present term did not begin.
        unbroken: whether nobody else held the Lease between this process's last term and the present one.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes part only when ``run`` is called.

        Args:
            cluster: the API server.
            namespace: of the Lease.
            name: of the Lease.
            identity: who this is. No two operators that may live at the same time may share it; one that comes back
                under the same name after it died takes its Lease at once.
            clock: monotonic seconds.
        """
        self._cluster = cluster
        self._collection = paths.leases(namespace)
        self._namespace, self._name, self._identity = namespace, name, identity
        self._clock = clock
        self._lease: dict[str, Any] | None = None  # as last read or written
        self._seen: tuple[dict[str, Any], float] = ({}, _NEVER)  # its spec, and when that was seen first
        self._leads_until = self.won_at = _NEVER
        self._term: str | None = None  # acquireTime of the last term
        self._asked = asyncio.Event()
        self.won = asyncio.Event()
        self.lost = asyncio.Event()
        self.knows = False
        self.problem = "the Lease of the leader was not read yet"
        self.holder = ""
        self.unbroken = False

    def leads(self) -> bool:
        """Whether this process may write now. To be asked right before each write."""
        return self._clock() < self._leads_until

    async def asked(self) -> None:
        """Returns when the first attempt is over, whatever it gave."""
        await self._asked.wait()

    async def run(self) -> None:
        """Takes part until cancelled, and gives the Lease back then."""
        try:
            while True:
                if await self._attempt(REQUEST_SECONDS):
                    self._begin_term()
                    await self._renew_until_lost()
                    self._end_term()
                    logger.warning("Not leading any more: %s", self.problem or f"{self.holder} holds the Lease")
                self._asked.set()
                await asyncio.sleep(POLL_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311
        finally:
            await self._release()

    def _begin_term(self) -> None:
        logger.info("Leading: this operator (%s) acts, others stand by.", self._identity)
        self.lost.clear()
        self.won.set()
        self._asked.set()

    def _end_term(self) -> None:
        self._leads_until = _NEVER
        self.won.clear()
        self.lost.set()

    async def _renew_until_lost(self) -> None:
        while self.leads():
            await asyncio.sleep(min(RENEW_SECONDS, self._leads_until - self._clock()))
            left = self._leads_until - self._clock()
            if left <= 0:
                return
            if not await self._attempt(min(REQUEST_SECONDS, left)) and not self.problem:
                return  # somebody else holds it

    async def _attempt(self, seconds: float) -> bool:
        """Takes or renews the Lease if that is allowed; whether it did. What went wrong is ``problem``."""
        began = self._clock()
        try:
            async with asyncio.timeout(seconds):
                taken = await self._take()
        except (ClusterError, TimeoutError) as error:
            self._lease = None
            self.problem = f"Lease {self._namespace}/{self._name}: {str(error) or 'no answer in time'}"
            logger.log(logging.INFO if self.leads() else logging.DEBUG, "%s", self.problem)
            return False
        self.problem = ""
        self.knows = True
        if taken:
            if not self.leads():
                self.won_at = began
            self._leads_until = began + RENEW_DEADLINE_SECONDS
            self.holder = self._identity
        return taken

    async def _take(self) -> bool:
        if self._lease is not None and await self._update(self._lease):
            return True
        lease = await self._read()
        if lease is None:
            return await self._create()
        spec = lease.get("spec") or {}
        if spec != self._seen[0]:
            self._seen = spec, self._clock()
        self.holder = spec.get("holderIdentity") or ""
        return is_free(spec, self._clock() - self._seen[1], self._identity) and await self._update(lease)

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._cluster.get(f"{self._collection}/{self._name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _create(self) -> bool:
        metadata = {"name": self._name, "namespace": self._namespace}
        spec = self._spec({}, goes_on=False)
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        return self._wrote(await _or_conflict(self._cluster.create(self._collection, body)), goes_on=False)

    async def _update(self, lease: dict[str, Any]) -> bool:
        """Writes the Lease, unless somebody else has written it since it was read."""
        old = lease.get("spec") or {}
        goes_on = old.get("holderIdentity") == self._identity and old.get("acquireTime") == self._term
        body = {
            "metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]},
            "spec": self._spec(old, goes_on=goes_on),
        }
        path = f"{self._collection}/{self._name}"
        return self._wrote(await _or_conflict(self._cluster.merge_patch(path, body)), goes_on=goes_on)

    def _wrote(self, written: dict[str, Any] | None, *, goes_on: bool) -> bool:
        self._lease = written
        if written is None:
            return False
        self._term = written["spec"]["acquireTime"]
        if not self.leads():
            self.unbroken = goes_on
        return True

    def _spec(self, old: dict[str, Any], *, goes_on: bool) -> dict[str, Any]:
        now = rfc3339_micro(time.time())  # for people only
        spec = {"holderIdentity": self._identity, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        if goes_on:
            return spec
        transitions = int(old.get("leaseTransitions") or 0) + (old.get("holderIdentity") != self._identity)
        return {**spec, "acquireTime": now, "leaseTransitions": transitions if old else 0}

    async def _release(self) -> None:
        """Gives the Lease back, so that nobody has to wait until it runs out."""
        led = self.leads()
        self._end_term()
        if not led:
            return
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                # What was last read or written, unless a renewal was on its way when this process was told to stop.
                if self._lease is None or not await self._give_back(self._lease):
                    lease = await self._read()
                    if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                        await self._give_back(lease)
        except (ClusterError, TimeoutError) as error:
            logger.info("The Lease was not given back; others wait until it runs out: %s", str(error) or "no answer")

    async def _give_back(self, lease: dict[str, Any]) -> bool:
        body = {
            "metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]},
            "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": rfc3339_micro(time.time())},
        }
        path = f"{self._collection}/{self._name}"
        return await _or_conflict(self._cluster.merge_patch(path, body)) is not None


def is_free(spec: dict[str, Any], unchanged_seconds: float, identity: str) -> bool:
    """Whether a Lease may be taken by ``identity``. ``unchanged_seconds``: how long it was seen like this."""
    holder = spec.get("holderIdentity") or ""
    return holder in ("", identity) or unchanged_seconds >= float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)


async def _or_conflict(write: Awaitable[dict[str, Any]]) -> dict[str, Any] | None:
    """What was written, or None when somebody else was faster or has deleted it."""
    try:
        return await write
    except ApiError as error:
        if error.status not in (404, 409):
            raise
        return None
