"""What a process knows of its namespace's KernelPools: what to seal its kernels' keys to, so that they can be warm."""

from __future__ import annotations

import asyncio
import logging
import time

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


class Pools:
    """Lives in the background loop. Asks only when a kernel is started."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._public = ""
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def sealed(self, name: str, keys: ConnectionKeys) -> dict[str, str]:
        """What to add to ``spec.connection`` of the KernelInstance of that name; empty where no pool says to whom."""
        age = time.monotonic() - self._asked_at
        patience = WAIT_SECONDS if self._asking is None else WAIT_LATER_SECONDS
        if age >= (KNOWN_SECONDS if self._public else NONE_SECONDS) and (self._asking is None or self._asking.done()):
            self._asked_at = time.monotonic()
            self._asking = asyncio.create_task(self._ask())
        if not self._public and self._asking is not None:
            await asyncio.wait({self._asking}, timeout=patience)
        if not self._public:
            return {}
        from kubernel_wire.sealed_keys import seal_keys

        try:
            return {"sealedKeys": seal_keys(self._public, self._api.namespace, name, keys)}
        except ValueError as error:
            logger.warning("A KernelPool of %s is not used: %s", self._api.namespace, error)
            return {}

    async def _ask(self) -> None:
        try:
            found = await self._api.list_all(paths.kernel_pools(self._api.namespace))
        except (ApiError, KubernelError) as error:  # no right, no such kind, or the API server is away
            logger.debug("KernelPools of %s: %s", self._api.namespace, error)
            found = []
        said = ((pool.get("status") or {}).get("publicKey") for pool in found)
        self._public = next((public for public in said if public), "")
