"""``make bench``: starts, restarts, interrupts and ends, ours beside bare pods and local kernels, in one run.

Contenders take turns in a random order with random pauses: the machine is noisy, and the kubelet looks at its
containers once a second, so a fixed rhythm would measure the phase.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

from arena import bench_namespace, parser_of_rounds
from audit import WRITES, requests_about
from contenders import (
    BASELINE,
    LOCAL,
    OURS_NONE,
    OURS_SERVICE,
    PAGE,
    PAGE_WITHOUT,
    Contender,
    contenders,
    install_kernelspecs,
    pages,
)
from goals import goal, of_ratios
from jupyter_kernel import JupyterKernel
from notebook_server import running_server
from statistics_table import table

from kubernel_cluster.cluster import Cluster

# A step that takes longer is a failure, and the run ends.
STEP_SECONDS = 90.0  # a kernel that became ready slowly is idle for up to 60 s before it can be forked
TITLES = {"restart": "restart, new process", "fork": "restart, idle, by fork"}
VERSUS_LOCAL = {OURS_NONE: LOCAL, OURS_SERVICE: LOCAL}
STARTS = {**BASELINE, PAGE: PAGE_WITHOUT}
#: Ratios to the baseline: of medians, of p95.
START_GOALS: dict[str, tuple[float, float | None]] = {
    OURS_NONE: (0.75, 0.7),
    OURS_SERVICE: (0.95, None),
    PAGE: (1.0, None),
}
FORK_GOALS = {OURS_NONE: (0.4, None), OURS_SERVICE: (0.4, None)}
INTERRUPT_GOAL_SECONDS = 0.005  # more than a local kernel's
Makers = dict[str, Callable[[], Contender]]


async def measure(rounds: int, namespace: str, image: str, audit_log: Path | None, more: Makers, only: str) -> str:
    """All rounds; the report."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    every = {**contenders(cluster, namespace, image), **more}
    makers = {name: make for name, make in every.items() if only in name}
    results: dict[str, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in makers})
    names: dict[str, str] = {}
    try:
        for turn in range(rounds + 1):
            for name in random.sample(list(makers), len(makers)):
                await asyncio.sleep(random.uniform(0.5, 1.5))
                kernel = makers[name]()
                for what, value in (await life(kernel)).items():
                    if turn:  # the first round warms caches and imports
                        results[what][name].append(value)
                if isinstance(kernel, JupyterKernel):
                    names[name] = kernel.name
            print(f"round {turn} of {rounds}", file=sys.stderr, flush=True)
    finally:
        await cluster.close()
    return report(results, audit_log, namespace, names)


def report(
    results: dict[str, dict[str, list[float]]], audit_log: Path | None, namespace: str, names: dict[str, str]
) -> str:
    """Tables of all steps, and the API requests of the last kernels."""
    tables = [
        table(f"{TITLES.get(what, what)}, seconds", rows, STARTS if what == "start" else VERSUS_LOCAL)
        for what, rows in results.items()
    ]
    tables += ["\n".join(goals(results))]
    if audit_log is not None:
        tables += [
            budget(name, audit_log, namespace, names[name]) for name in (OURS_NONE, OURS_SERVICE) if name in names
        ]
    return "\n\n".join(tables)


def goals(results: dict[str, dict[str, list[float]]]) -> list[str]:
    """A line for each goal of what was measured."""
    interrupts = {name: median(values) * 1000 for name, values in results.get("interrupt", {}).items() if values}
    most, unit = INTERRUPT_GOAL_SECONDS * 1000, f" ms more than {LOCAL}"
    slower = [
        goal(f"interrupt, {name}", interrupts[name] - interrupts[LOCAL], most, unit)
        for name in VERSUS_LOCAL
        if {name, LOCAL} <= interrupts.keys()
    ]
    forks = of_ratios(results.get("fork", {}), FORK_GOALS, VERSUS_LOCAL)
    return [
        *(f"start, {line}" for line in of_ratios(results["start"], START_GOALS, STARTS)),
        *(f"restart by fork, {line}" for line in forks),
        *slower,
    ]


async def life(kernel: Contender) -> dict[str, float]:
    """One kernel from start to end; seconds of each step."""
    steps = ["start"]
    if isinstance(kernel, JupyterKernel):
        steps += ["round_trip", "interrupt", "restart", "fork", "end"]
    seconds = {}
    try:
        for step in steps:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(STEP_SECONDS):
                    said = await getattr(kernel, step)()
            except TimeoutError as error:
                raise RuntimeError(f"{type(kernel).__name__}.{step} took more than {STEP_SECONDS} s") from error
            seconds[step] = time.perf_counter() - began if said is None else said
    finally:
        await kernel.stop()
    return seconds


def budget(title: str, log: Path, namespace: str, name: str) -> str:
    """Requests of one life: start, restart in place, end, deletion."""
    counts = requests_about(log, namespace, name)
    writes = sum(n for (_, verb, _), n in counts.items() if verb in WRITES)
    rows = [f"  {who:9} {verb:7} {resource:26} {n}" for (who, verb, resource), n in sorted(counts.items())]
    head = f"API requests of one kernel ({title}), from start to deletion: {sum(counts.values())}, writes: {writes}"
    return "\n".join([head, *rows])


def main() -> None:
    """Parses the command line and prints the report."""
    parser = parser_of_rounds("bench", "Ours beside bare pods and local kernels.", rounds=20)
    parser.add_argument("--only", default="", help='contenders whose names have this in them, e.g. "page"')
    options = parser.parse_args()
    with bench_namespace() as (namespace, audit_log), tempfile.TemporaryDirectory() as prefix:
        install_kernelspecs(Path(prefix), namespace, options.image)
        with (
            running_server(Path(prefix, "with"), extension=True) as one,
            running_server(Path(prefix, "without"), extension=False) as two,
        ):
            print(
                asyncio.run(measure(options.rounds, namespace, options.image, audit_log, pages(one, two), options.only))
            )


if __name__ == "__main__":
    main()
