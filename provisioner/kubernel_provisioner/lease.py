"""The Lease that says this process is alive. When it runs out, the operator deletes the kernels that name it."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime
from typing import Any

from kubernel_api.constants import LABEL_MANAGED_BY, LABEL_MANAGED_BY_VALUE, LABEL_SERVER

from .api import Api
from .api_errors import ApiStatusError
from .errors import KubernelError

# A server that was killed is noticed after a minute; four renewals may be lost before that.
DURATION_SECONDS = 60
RENEW_SECONDS = 15.0
RETRY_SECONDS = 3.0
# Worth a line in the log: half of its time is over.
WARN_AFTER_FAILURES = 4

log = logging.getLogger(__name__)


def lease_name(server: str) -> str:
    """The Lease of a process."""
    return f"kubernel-server-{server}"


def build_lease(server: str, now: datetime) -> dict[str, Any]:
    """A Lease of that process, valid from ``now`` (UTC)."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": lease_name(server),
            "labels": {LABEL_SERVER: server, LABEL_MANAGED_BY: LABEL_MANAGED_BY_VALUE},
        },
        "spec": {
            "holderIdentity": server,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": _micro_time(now),
            "renewTime": _micro_time(now),
        },
    }


def _micro_time(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def create_lease(api: Api, server: str) -> None:
    """Creates the Lease; one that exists already is this process's own, from a moment ago."""
    try:
        await api.create_lease(build_lease(server, datetime.now(UTC)))
    except ApiStatusError as error:
        if error.status != 409:
            raise


async def renew_for_ever(api: Api, server: str) -> None:
    """Renews the Lease every 15 s, and sooner after a failure; until its namespace is gone, and all kernels with it."""
    delay, failures = RENEW_SECONDS, 0
    while True:
        await asyncio.sleep(delay * random.uniform(0.9, 1.1))  # noqa: S311 - jitter
        try:
            await _renew(api, server)
            delay, failures = RENEW_SECONDS, 0
        except (KubernelError, ApiStatusError) as error:
            if isinstance(error, ApiStatusError) and error.details.get("kind") == "namespaces":
                return
            delay, failures = RETRY_SECONDS, failures + 1
            level = logging.WARNING if failures == WARN_AFTER_FAILURES else logging.DEBUG
            log.log(level, "Lease %s in %s was not renewed: %s", lease_name(server), api.namespace, error)


async def _renew(api: Api, server: str) -> None:
    try:
        await api.patch_lease(lease_name(server), {"spec": {"renewTime": _micro_time(datetime.now(UTC))}})
    except ApiStatusError as error:
        if error.status != 404:
            raise
        await create_lease(api, server)
