"""``make bench-concurrent``: 20 starts at the same time, ours beside bare pods and local kernels.

A class opens its notebooks. Contenders take turns in a random order; each round starts so many kernels of one kind at
once and notes when each has answered kernel_info.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from arena import bench_namespace, parser_of_rounds
from contenders import BASELINE, OURS_NONE, OURS_SERVICE, Contender, contenders, install_kernelspecs
from goals import of_ratios
from statistics_table import table

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster

START_SECONDS = 180.0
# After the last pod of the round before is gone: their ends would take CPU from the next round.
REST_SECONDS = 5.0
LOOK_SECONDS = 0.5
ATTEMPTS = 3
#: Ratios to bare pods: of medians, of p95.
GOALS = {OURS_NONE: (1.2, None), OURS_SERVICE: (1.2, None)}


async def seconds_until_answered(kernel: Contender, began: float) -> float:
    """From ``began`` (``time.perf_counter``) until the kernel has answered."""
    async with asyncio.timeout(START_SECONDS):
        await kernel.start()
    return time.perf_counter() - began


async def start_together(make: Callable[[], Contender], count: int) -> list[float | BaseException]:
    """Seconds of each of so many starts, or what it failed with."""
    kernels = [make() for _ in range(count)]
    began = time.perf_counter()
    try:
        return await asyncio.gather(
            *(seconds_until_answered(kernel, began) for kernel in kernels), return_exceptions=True
        )
    finally:
        await asyncio.gather(*(kernel.stop() for kernel in kernels), return_exceptions=True)


async def rest(cluster: Cluster, namespace: str) -> None:
    """Returns when nothing is left of the round before."""
    while (await cluster.get(paths.core("pods", namespace)))["items"]:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(REST_SECONDS)


class Failures:
    """Starts that failed, ours or others': a round with one is repeated, and the report tells how many there were."""

    def __init__(self) -> None:
        """None yet."""
        self._by_contender: Counter[str] = Counter()

    async def round_of(
        self, name: str, make: Callable[[], Contender], count: int, rested: Callable[[], Awaitable[None]]
    ) -> list[float]:
        """Seconds of so many starts at once; without those that failed when the last attempt has some, too."""
        for attempt in range(1, ATTEMPTS + 1):
            await rested()
            results = await start_together(make, count)
            failed = [result for result in results if isinstance(result, BaseException)]
            self._by_contender[name] += len(failed)
            for error in failed:
                print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            if not failed or attempt == ATTEMPTS:
                break
        return [result for result in results if not isinstance(result, BaseException)]

    def __str__(self) -> str:
        """A line for each contender that had any, or one that says that there were none."""
        failed = (+self._by_contender).items()
        lines = [f"{name}: {count} starts failed; their rounds were repeated" for name, count in failed]
        return "\n".join(lines) or "no start failed"


async def measure(rounds: int, count: int, namespace: str, image: str) -> str:
    """All rounds; the report."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    makers = contenders(cluster, namespace, image)
    one: dict[str, list[float]] = {name: [] for name in makers}
    last: dict[str, list[float]] = {name: [] for name in makers}
    failures = Failures()
    try:
        for turn in range(rounds):
            for name in random.sample(list(makers), len(makers)):
                seconds = await failures.round_of(name, makers[name], count, lambda: rest(cluster, namespace))
                one[name] += seconds
                last[name] += [max(seconds)] if seconds else []
            print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    finally:
        await cluster.close()
    titles = (f"one of {count} starts at once, seconds", one), (f"the last of {count}, seconds", last)
    tables = (table(title, rows, BASELINE) for title, rows in titles)
    return "\n\n".join([*tables, "\n".join(of_ratios(one, GOALS, BASELINE)), str(failures)])


def main() -> None:
    """Parses the command line and prints the report."""
    parser = parser_of_rounds("bench-concurrent", "Many starts at once.", rounds=4)
    parser.add_argument("--kernels", type=int, default=20, help="starts at once (default 20)")
    options = parser.parse_args()
    with bench_namespace() as (namespace, _), tempfile.TemporaryDirectory() as prefix:
        install_kernelspecs(Path(prefix), namespace, options.image)
        print(asyncio.run(measure(options.rounds, options.kernels, namespace, options.image)))


if __name__ == "__main__":
    main()
