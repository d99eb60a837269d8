"""Prometheus metrics: ``docs/reference/metrics.md``. No label holds a kernel's name: there are too many of them."""

from __future__ import annotations

import platform
from collections import Counter as Counts
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from kubernel_api.quantity import amount
from kubernel_operator.clock import unix

# JupyterHub's spawn buckets, with finer ones below: a start here takes about a second.
START_BUCKETS = (0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0)

RECONCILE_SECONDS = Histogram("kubernel_reconcile_duration_seconds", "Time of one pass over one KernelInstance.")
RECONCILE_ERRORS = Counter("kubernel_reconcile_errors_total", "Passes that failed and were tried again.")
CALLBACKS = Counter("kubernel_callbacks_total", "Callbacks of supervisors by result.", ["result"])
STARTS = Counter("kubernel_kernel_starts_total", "Kernels that became Ready.")
TERMINATIONS = Counter("kubernel_kernel_terminations_total", "Kernels that ended, by reason.", ["reason"])
START_SECONDS = Histogram(
    "kubernel_kernel_start_duration_seconds",
    "Time from the start of the container to a kernel that answers.",
    buckets=START_BUCKETS,
)
SWEEP_FOUND = Counter(
    "kubernel_sweep_found_total", "Objects that a comparison found changed: their watch events were lost.", ["kind"]
)
WATCH_RESTARTS = Counter("kubernel_watch_restarts_total", "How often the watches had to be built anew.")
WATCH_LAST_EVENT = Gauge("kubernel_watch_last_event_seconds", "Time since the last event of a watch.", ["kind"])
LEADER = Gauge("kubernel_leader", "1 for the operator that acts, 0 for those that stand by.")
QUEUE_DEPTH = Gauge("kubernel_queue_depth", "KernelInstances that wait for a pass.")
QUEUE_OLDEST = Gauge("kubernel_queue_oldest_seconds", "How long the oldest of them has waited.")
STARTS_QUEUED = Gauge("kubernel_starts_queued", "KernelInstances that wait for their turn to start.")
KERNELS = Gauge("kubernel_kernels", "KernelInstances by namespace and phase.", ["kernel_namespace", "phase"])
POOL_MEMBERS = Gauge("kubernel_pool_members", "Pods of a pool by what they do.", ["kernel_namespace", "pool", "state"])
POOL_CLAIMS = Counter("kubernel_pool_claims_total", "Kernels that a pool's pod was claimed for.", ["pool"])
COLD_STARTS = Counter(
    "kubernel_pool_cold_starts_total", "Kernels that got a pod of their own in spite of pools, by reason.", ["reason"]
)
CLAIM_SECONDS = Histogram(
    "kubernel_pool_claim_duration_seconds",
    "Time from a KernelInstance to its Ready, of those that got a pool's pod.",
    buckets=(0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5),
)
MEMORY = Gauge("kubernel_kernel_memory_bytes", "Memory of running kernels together: usage, and limit.", ["kind"])
MEMORY_GROWTHS = Counter("kubernel_memory_growths_total", "More memory asked for a kernel short of its limit.")
API_REQUESTS = Counter("kubernel_api_requests_total", "Requests to the API server by their answer.", ["verb", "code"])
BUILD_INFO = Gauge("kubernel_build_info", "1; the labels say what runs.", ["version", "python"])
BUILD_INFO.labels(version("kubernel"), platform.python_version()).set(1)

# Namespaces of a cluster can be as many as its users. The largest are named, the others are counted together as "".
NAMESPACES_MAX = 100


class KernelCounts:
    """How many KernelInstances there are, by namespace and phase, kept up to date by their passes."""

    def __init__(self) -> None:
        self._phases: dict[tuple[str, str], str] = {}
        self._counts: Counts[tuple[str, str]] = Counts()
        self._memory: dict[tuple[str, str], tuple[int, int]] = {}

    def put(self, key: tuple[str, str], status: dict[str, Any] | None) -> None:
        """The status of a KernelInstance is known; None: it is gone."""
        phase = None if status is None else status.get("phase") or "Pending"
        self._memory.pop(key, None)
        if status is not None and phase == "Running" and (memory := status.get("memory")):
            self._memory[key] = int(amount(memory["usage"])), int(amount(memory.get("limit", "0")))
        old = self._phases.pop(key, None)
        if old is not None:
            self._counts[key[0], old] -= 1
            if not self._counts[key[0], old]:
                del self._counts[key[0], old]
        if phase is not None:
            self._phases[key] = phase
            self._counts[key[0], phase] += 1

    def starts(self, namespace: str) -> int:
        """How many of a namespace have been seen and are on their way to Ready."""
        return sum(self._counts[namespace, phase] for phase in ("Pending", "Starting"))

    def clear(self) -> None:
        """Nothing is known: another operator counts."""
        self._phases.clear()
        self._counts.clear()
        self._memory.clear()

    def export(self) -> None:
        """Sets the gauges."""
        for place, kind in enumerate(("usage", "limit")):
            MEMORY.labels(kind).set(sum(found[place] for found in self._memory.values()))
        sizes: Counts[str] = Counts()
        for (namespace, _), count in self._counts.items():
            sizes[namespace] += count
        named = {namespace for namespace, _ in sizes.most_common(NAMESPACES_MAX)}
        told: Counts[tuple[str, str]] = Counts()
        for (namespace, phase), count in self._counts.items():
            told[namespace if namespace in named else "", phase] += count
        KERNELS.clear()
        for labels, count in told.items():
            KERNELS.labels(*labels).set(count)


def observe_pool(namespace: str, pool: str, *, ready: int, members: int) -> None:
    """How many members a pool has."""
    POOL_MEMBERS.labels(namespace, pool, "ready").set(ready)
    POOL_MEMBERS.labels(namespace, pool, "starting").set(members - ready)


def forget_pool(namespace: str, pool: str) -> None:
    """A pool is gone."""
    for state in ("ready", "starting"):
        with suppress(KeyError):
            POOL_MEMBERS.remove(namespace, pool, state)


def observe_start(start: dict[str, Any], seconds: float) -> None:
    """A kernel in a namespace with pools is Ready for the first time.

    Args:
        start: ``status.start``.
        seconds: since the operator first saw it.
    """
    if start.get("type") == "Warm":
        POOL_CLAIMS.labels(start["pool"]).inc()
        CLAIM_SECONDS.observe(seconds)
    else:
        COLD_STARTS.labels(start.get("reason") or "").inc()


def observe_status(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Counts what a status change says."""
    if new.get("reason") != old.get("reason") and new.get("exit"):
        TERMINATIONS.labels(new["exit"]["reason"]).inc()
    times, before = new.get("times") or {}, old.get("times") or {}
    if times.get("ready") and times.get("ready") != before.get("ready"):
        STARTS.inc()
        started, ready = unix(times.get("started")), unix(times["ready"])
        if started is not None and ready is not None:
            START_SECONDS.observe(max(0.0, ready - started))
