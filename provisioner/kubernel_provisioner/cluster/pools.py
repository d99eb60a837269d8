"""What a process knows of its namespace's KernelPools: what to seal its kernels' keys to, so that they can be warm."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from kubernel_cluster import paths
from kubernel_cluster.errors import ApiError
from kubernel_provisioner.errors import KubernelError
from kubernel_wire.keys import ConnectionKeys

from .api import Api

logger = logging.getLogger(__name__)

# The operator's key changes when an administrator changes it, and pools come and go: a start that finds an older answer
# goes by it, and has it looked up for the next one. What is out of date makes a kernel cold, not wrong.
KNOWN_SECONDS = 30.0
# The first start waits for the answer, but not for long. Where there was no pool, later ones do so only where the API
# server is near: pools come while a server runs.
NONE_SECONDS = 5.0
WAIT_SECONDS = 1.0
WAIT_LATER_SECONDS = 0.1
# A kubelet wants the key a quarter of a second after the KernelInstance was made, and if it is not there looks again a
# second later. A client farther away than this does not bring it in time, unless the operator has it already.
FAR_SECONDS = 0.1
# Far away, a start's own requests come first: what is asked beside them would take their connection.
ASK_AFTER_SECONDS = 1.0


class Pools:
    """Lives in the background loop. Asks only when a kernel is started."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._public = ""
        self._operators = ""
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    def hear(self, instance: dict[str, Any]) -> None:
        """Takes what an operator says in the status of a KernelInstance."""
        self._operators = (instance.get("status") or {}).get("publicKey") or self._operators

    async def sealed(self, name: str, keys: ConnectionKeys) -> dict[str, str]:
        """What to add to ``spec.connection`` of the KernelInstance of that name; empty where nobody says to whom."""
        is_far = self._api.round_trip >= FAR_SECONDS
        await self._look(is_far)
        public = self._public or (self._operators if is_far else "")
        if not public:
            return {}
        from kubernel_wire.sealed_keys import seal_keys

        try:
            return {"sealedKeys": seal_keys(public, self._api.namespace, name, keys)}
        except ValueError as error:
            logger.warning("A KernelPool of %s is not used: %s", self._api.namespace, error)
            return {}

    async def _look(self, is_far: bool) -> None:
        """Asks, where the last answer is too old, and waits for the answer as long as it is worth it."""
        is_first, age = self._asking is None, time.monotonic() - self._asked_at
        is_due = age >= (KNOWN_SECONDS if self._public else NONE_SECONDS)
        if self._asking is None or (self._asking.done() and is_due):
            self._asked_at = time.monotonic()
            self._asking = asyncio.create_task(self._ask(0.0 if is_first or not is_far else ASK_AFTER_SECONDS))
        if not self._public and (is_first or not is_far):
            await asyncio.wait({self._asking}, timeout=WAIT_SECONDS if is_first else WAIT_LATER_SECONDS)

    async def _ask(self, after: float) -> None:
        await asyncio.sleep(after)
        try:
            found = await self._api.list_all(paths.kernel_pools(self._api.namespace))
        except (ApiError, KubernelError) as error:  # no right, no such kind, or the API server is away
            logger.debug("KernelPools of %s: %s", self._api.namespace, error)
            found = []
        said = ((pool.get("status") or {}).get("publicKey") for pool in found)
        self._public = next((public for public in said if public), "")
