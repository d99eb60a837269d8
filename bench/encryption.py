"""``make bench-encryption``: what encrypted channels cost a start, measured in pairs.

A round has one start with ``encryption: Auto``, which ipykernel answers with Curve, and one with ``Disabled``, in turn.
The cost is the median of the differences: whatever else the machine does, both of a pair meet it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from arena import bench_namespace
from jupyter_kernel import JupyterKernel
from kernelspecs import install_ours
from statistics_table import table

from fixtures.cluster import KERNEL_IMAGE

NAME, ENCRYPTED, PLAIN = "bench-encryption", "Auto", "Disabled"
GOAL_SECONDS = 0.005


@contextmanager
def encryption(value: str) -> Iterator[None]:
    """For kernels that are made meanwhile."""
    os.environ["KUBERNEL_ENCRYPTION"] = value
    try:
        yield
    finally:
        del os.environ["KUBERNEL_ENCRYPTION"]


async def start(value: str) -> tuple[float, float]:
    """Seconds of a start, and of ``execute("pass")`` after it."""
    with encryption(value):
        kernel, began = JupyterKernel(NAME), time.perf_counter()
        try:
            await kernel.start()
            seconds = time.perf_counter() - began
            assert kernel.client is not None
            assert (kernel.client.curve_publickey is not None) == (value == ENCRYPTED)
            return seconds, median([await kernel.round_trip() for _ in range(5)])
        finally:
            await kernel.stop()


async def measure(rounds: int) -> str:
    """The report."""
    starts: dict[str, list[float]] = {ENCRYPTED: [], PLAIN: []}
    trips: dict[str, list[float]] = {ENCRYPTED: [], PLAIN: []}
    for number in range(-1, rounds):
        for value in (ENCRYPTED, PLAIN)[:: 1 if number % 2 else -1]:
            seconds, trip = await start(value)
            if number >= 0:  # the first ones load the process's modules
                starts[value].append(seconds)
                trips[value].append(trip)
    pairs = sorted(a - b for a, b in zip(starts[ENCRYPTED], starts[PLAIN], strict=True))
    quartiles = pairs[len(pairs) // 4], pairs[-1 - len(pairs) // 4]
    return "\n".join(
        [
            table("start, service None, seconds", starts, {ENCRYPTED: PLAIN}),
            table('execute("pass"), seconds', trips, {ENCRYPTED: PLAIN}),
            f"encryption costs a start {median(pairs) * 1000:+.1f} ms (median of {rounds} pairs, half of them from "
            f"{quartiles[0] * 1000:+.1f} to {quartiles[1] * 1000:+.1f}); goal: {GOAL_SECONDS * 1000:.0f} ms",
        ]
    )


def main() -> None:
    """Parses the command line and prints the report."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="pairs of starts (default 30)")
    options = parser.parse_args()
    with bench_namespace() as (namespace, _), tempfile.TemporaryDirectory() as folder:
        install_ours(Path(folder), NAME, namespace, KERNEL_IMAGE, service="None")
        print(asyncio.run(measure(options.rounds)))


if __name__ == "__main__":
    main()
