"""Whether the server that created a kernel still lives, by its Lease. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubernel_operator.clock import unix
from kubernel_operator.observe.cache import key_of
from kubernel_operator.observe.observed import LeaseState, LeaseView, Memory

DEFAULT_DURATION_SECONDS = 60
# During an outage of the API every Lease in the cache runs out, although the servers live and renew theirs as soon as
# they can. So the cache is only a reason to ask: a Lease is believed to be expired when the API server itself said so
# twice, this far apart, and answered all the time between. Servers retry every 3 s.
EXPIRED_FOR_SECONDS = 20.0
# A server that was killed leaves its Lease behind. One that comes back creates it anew, so there is no hurry.
ABANDONED_AFTER_SECONDS = 600.0


def lease_view(cr: dict[str, Any], lease: dict[str, Any] | None, memory: Memory, now: float) -> LeaseView:
    """What is known of the Lease that a KernelInstance names; a valid one clears what ``memory`` says of its end.

    Args:
        cr: the KernelInstance.
        lease: as the cache has it; None: it has none.
        memory: when the API server itself confirmed that it is expired.
        now: Unix seconds.
    """
    if not lease_name(cr):
        return LeaseView()
    ends = lease_end(cr, lease)
    if now < ends:
        memory.lease_expired_since = memory.lease_expired_read = None
        return LeaseView(LeaseState.VALID, again_at=ends)
    since, read = memory.lease_expired_since, memory.lease_expired_read
    if since is None or read is None:
        return LeaseView(LeaseState.UNKNOWN, read_due=True)
    if read >= since + EXPIRED_FOR_SECONDS:
        return LeaseView(LeaseState.EXPIRED)
    if now >= since + EXPIRED_FOR_SECONDS:
        return LeaseView(LeaseState.UNKNOWN, read_due=True)
    return LeaseView(LeaseState.UNKNOWN, again_at=since + EXPIRED_FOR_SECONDS)


def abandoned_leases(
    leases: Iterable[dict[str, Any]], instances: Iterable[dict[str, Any]], now: float
) -> list[dict[str, Any]]:
    """Leases of ours that ran out long ago and that no KernelInstance names."""
    named = {(key_of(cr)[0], lease_name(cr)) for cr in instances}
    return [
        lease
        for lease in leases
        if key_of(lease) not in named and now >= lease_end({}, lease) + ABANDONED_AFTER_SECONDS
    ]


def lease_name(cr: dict[str, Any]) -> str | None:
    """The Lease that a KernelInstance names."""
    name: str | None = (cr["spec"].get("lifecycle") or {}).get("leaseName")
    return name


def lease_end(cr: dict[str, Any], lease: dict[str, Any] | None) -> float:
    """Unix seconds at which a Lease ends. One that does not exist is given the time to be created."""
    if lease is None:
        return (unix(cr["metadata"].get("creationTimestamp")) or 0.0) + DEFAULT_DURATION_SECONDS
    spec = lease.get("spec") or {}
    renewed = unix(spec.get("renewTime")) or unix(lease["metadata"].get("creationTimestamp")) or 0.0
    return renewed + float(spec.get("leaseDurationSeconds") or DEFAULT_DURATION_SECONDS)
