"""``make bench-startup-cpu``: cold starts with a CPU limit of 250m, with more for the start, and without any limit."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import kernel_info
import kernelspecs
from arena import bench_namespace, parser_of_rounds
from goals import of_ratios
from jupyter_client import AsyncKernelManager
from statistics_table import table

SPEC = "bench-startup-cpu"
GOAL = 1.2
FREE, SMALL, BOOSTED = "no limit", "limit 250m", "limit 250m, startupCPU 2"
OPTIONS = {FREE: ("", ""), SMALL: ("250m", ""), BOOSTED: ("250m", "2")}


async def start(cpu: str, startup: str) -> float:
    """Seconds from start_kernel() to the answer to kernel_info."""
    os.environ["KUBERNEL_CPU"], os.environ["KUBERNEL_STARTUP_CPU"] = cpu, startup
    manager = AsyncKernelManager(kernel_name=SPEC)
    began = time.perf_counter()
    await manager.start_kernel()
    client = await kernel_info.answering_client(manager.get_connection_info())
    seconds = time.perf_counter() - began
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    return seconds


async def measure(rounds: int) -> str:
    """All rounds; the report."""
    results: dict[str, list[float]] = {name: [] for name in OPTIONS}
    for turn in range(rounds + 1):
        for name in random.sample(list(OPTIONS), len(OPTIONS)):
            seconds = await start(*OPTIONS[name])
            if turn:  # the first round warms caches and imports
                results[name].append(seconds)
        print(f"round {turn} of {rounds}", file=sys.stderr, flush=True)
    baseline = {SMALL: FREE, BOOSTED: FREE}
    report = table("cold start -> kernel_info, seconds", results, baseline)
    return "\n".join([report, *of_ratios(results, {BOOSTED: (GOAL, None)}, baseline)])


def main() -> None:
    """Parses the command line and prints the report."""
    options = parser_of_rounds("bench/startup_cpu.py", "Starts with a small CPU limit.", rounds=20).parse_args()
    with bench_namespace() as (namespace, _), tempfile.TemporaryDirectory() as prefix:
        kernelspecs.install_ours(Path(prefix), SPEC, namespace, options.image, service="None")
        print(asyncio.run(measure(options.rounds)))


if __name__ == "__main__":
    main()
