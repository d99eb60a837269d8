"""Waiting for an API server that does not answer, or not yet with what is needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_cluster.retry import wanted_pause

logger = logging.getLogger(__name__)
T = TypeVar("T")

RETRY_SECONDS = 2.0


async def until_it_works(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of ``attempt``, which is called until it does not fail: an outage must not end the operator.

    Args:
        what: what fails, for the log: "Not ready yet".
        attempt: asks the API server.
    """
    while True:
        try:
            return await attempt()
        except ClusterError as error:
            logger.warning("%s: %s", what, with_advice(error))
            await asyncio.sleep(max(RETRY_SECONDS, wanted_pause(error)))


def with_advice(error: ClusterError) -> str:
    """The error, and what an administrator can do about it."""
    if isinstance(error, ApiError) and error.status == 404:
        return f"{error} - is the CRD installed? kubectl get crd kernelinstances.kubernel.dev"
    if isinstance(error, ApiError) and error.status == 403:
        return f"{error} - the chart's RBAC gives this right; see helm get manifest"
    return str(error)
