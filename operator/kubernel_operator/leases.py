"""Whether the server that created a kernel still lives, by its Lease. Pure."""

from __future__ import annotations

from typing import Any

from .clock import unix
from .observed import LeaseState, Memory

DEFAULT_DURATION_SECONDS = 60
# After an outage of the API every Lease looks expired, although its server lives and renews it as soon as it can.
# So an expired Lease is believed only when it was seen expired for this long.
EXPIRED_FOR_SECONDS = 20.0
# A Lease is created before its first KernelInstance; one that is missing was deleted, or is not in the cache yet.


def lease_state(cr: dict[str, Any], lease: dict[str, Any] | None, memory: Memory, now: float) -> LeaseState:
    """What the Lease says; remembers in ``memory`` since when it looked expired."""
    if not (cr["spec"].get("lifecycle") or {}).get("leaseName"):
        return LeaseState.NONE_NAMED
    if not _expired(cr, lease, now):
        memory.lease_expired_since = None
        return LeaseState.VALID
    if memory.lease_expired_since is None:
        memory.lease_expired_since = now
    believed = now >= memory.lease_expired_since + EXPIRED_FOR_SECONDS
    return LeaseState.EXPIRED if believed else LeaseState.UNKNOWN


def _expired(cr: dict[str, Any], lease: dict[str, Any] | None, now: float) -> bool:
    if lease is None:
        created = unix(cr["metadata"].get("creationTimestamp")) or now
        return now >= created + DEFAULT_DURATION_SECONDS
    spec = lease.get("spec") or {}
    renewed = unix(spec.get("renewTime")) or unix(lease["metadata"].get("creationTimestamp")) or now
    return now >= renewed + float(spec.get("leaseDurationSeconds") or DEFAULT_DURATION_SECONDS)
