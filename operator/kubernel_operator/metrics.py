"""Prometheus metrics. No label holds a kernel's name: there are too many of them."""

from __future__ import annotations

from typing import Any

from prometheus_client import Counter, Histogram

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
