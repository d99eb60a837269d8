"""Restarts as the API server hears of them; the kernel itself may have been restarted already, by its supervisor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.cluster.view import Seen
from kubernel_provisioner.errors import KubernelError
from kubernel_provisioner.ownership import patch_own

from .kernel_resource import env_list
from .launching import Held

RETRY_SECONDS = 2.0
# An API server that is away for longer than a quarter of an hour learns of it by the next restart.
ATTEMPTS = 450


def next_restart(held: Held, seen: Seen | None) -> int:
    """A number that no restart of this kernel has had, as far as is known here."""
    if seen is None:
        return held.restart + 1
    asked = int(seen.instance["spec"]["restartGeneration"])
    return 1 + max(held.restart, asked, int(seen.status.get("restartGeneration") or 0))


async def tell_api_server(
    cluster: Cluster, held: Held, env: Mapping[str, str] | None, log: logging.Logger, *, has_happened: bool
) -> dict[str, Any] | None:
    """Asks for the restart ``held.restart``, or says that it was done.

    Args:
        cluster: where it is.
        held: the KernelInstance.
        env: its new environment, which a pod that replaces this one gets, too; None when it stays.
        log: the provisioner's.
        has_happened: whether it was done: then this is tried again for as long as the API server is away.

    Returns:
        The KernelInstance; another server's, unchanged, when that has taken it over; None when it is gone.

    Raises:
        ApiError: the API server does not allow it.
        KubernelError: the API server is away.
    """
    known = cluster.view.get(held.name)
    version = str(known.version) if known is not None and known.uid == held.uid else None
    spec: dict[str, Any] = {"restartGeneration": held.restart, **({} if env is None else {"env": env_list(env)})}
    if known is not None and known.instance["spec"].get("suspend"):
        spec["suspend"] = False  # who restarts a kernel wants to use it
    attempts = ATTEMPTS if has_happened else 1
    while True:
        attempts -= 1
        try:
            return await patch_own(cluster.api, held.name, held.uid, version, held.server, {"spec": spec})
        except KubernelError as error:
            if not attempts:
                raise
            log.debug("The restart of %s is not told yet: %s", held.name, error)
        await asyncio.sleep(RETRY_SECONDS)
