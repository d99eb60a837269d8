"""The lines that ``make bench-scale`` prints, each figure beside its goal. Pure."""

from __future__ import annotations

BURST = 100
RATE_PER_SECOND = 20
GOALS = {
    "memory": 256.0,
    "peak": 256.0,
    "idle": 2.0,
    "writes": 0.0,
    "restart": 15.0,
    "accepted": 1.0,
    "pod p99": 0.25,
    "etcd": 20.0,
}


def report(
    count: int,
    figures: dict[str, float],
    etcd: dict[str, float],
    first: dict[str, float],
    burst: dict[str, float],
    loop: dict[str, float],
) -> str:
    """A line for each figure, with its goal and what it is compared with.

    Args:
        count: idle kernels.
        figures: of the operator with them.
        etcd: kB of one kernel's objects by kind, and of what a namespace shares.
        first: a burst without them.
        burst: one beside them.
        loop: the open loop beside them.
    """

    def line(title: str, value: float, unit: str, goal: float | None = None, beside: str = "") -> str:
        verdict = "" if goal is None else f"goal {goal:g} {unit}: {'yes' if value <= goal else 'NO'}"
        return f"{title:54} {value:9.2f} {unit:12} {verdict:26} {beside}".rstrip()

    def ratio(value: float, what: str) -> str:
        return f"{value / first[what]:.2f} x that with no other kernels"

    empty = figures["empty"]
    own = sum(size for kind, size in etcd.items() if kind != "shared")
    kinds = ", ".join(f"{kind} {size:.1f}" for kind, size in etcd.items() if kind != "shared")
    kib = 1024 * (figures["memory"] - empty) / count
    return "\n".join(
        [
            f"{count} idle kernels and one operator; they were started at {figures['rate']:.1f} a second",
            line("the operator's CPU for each start", figures["start cpu"], "ms"),
            line(
                "memory, idle",
                figures["memory"],
                "MiB",
                GOALS["memory"],
                f"{empty:.0f} MiB with none; {kib:.1f} KiB each",
            ),
            line("  highest until the restart was over", figures["restart peak"], "MiB", GOALS["peak"]),
            line("  highest in further comparisons with the API server", figures["peak"], "MiB", GOALS["peak"]),
            line("etcd, all objects of a kernel with a Service", own, "kB", GOALS["etcd"], kinds),
            line("  once for a namespace: the supervisor", etcd["shared"], "kB"),
            line("CPU, idle", figures["idle"], "% of a core", GOALS["idle"]),
            line("writes, idle", figures["writes"], "a minute", GOALS["writes"]),
            line("killed and started: ready", figures["ready"], "s"),
            line("  steady", figures["restart"], "s", GOALS["restart"], f"{figures['restart cpu']:.1f} s of CPU"),
            line("  writes", figures["restart writes"], "", GOALS["writes"]),
            line(
                f"burst of {BURST}: all accepted",
                burst["accepted"],
                "s",
                GOALS["accepted"],
                ratio(burst["accepted"], "accepted"),
            ),
            *(line(f"  {what}", burst[what], "s", None, ratio(burst[what], what)) for what in list(burst)[1:]),
            line(f"{RATE_PER_SECOND} a second: pod p50", loop["pod p50"], "s"),
            line("  pod p99", loop["pod p99"], "s", GOALS["pod p99"]),
            line("  ready p50", loop["ready p50"], "s"),
            line("  ready p99", loop["ready p99"], "s"),
        ]
    )
