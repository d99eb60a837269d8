"""``make bench-idle``: what 1,000 idle kernels cost the process of a notebook server.

Three servers take turns: one without kernels, one whose kernels' provisioner does nothing at all, one whose kernels are
KernelInstances in a real API server. The others stand still meanwhile (SIGSTOP). Nothing runs behind the
KernelInstances (``stand_in``); a local kernel in each process says what a user of that server feels.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

from arena import bench_namespace
from audit import requests_in
from goals import goal
from kernelspecs import install_local, install_ours
from stand_in import Listener, make_ready

from kubernel_cluster.cluster import Cluster

EMPTY, IDLE, OURS = "no kernels", "kernels that cost nothing", "ours"
KINDS = {EMPTY: "none", IDLE: "none", OURS: "ours"}
UNITS = {"loop_p95": 1000, "round_trip": 1000, "cpu_share": 100, "polls_share": 100, "polls": 1}
TITLES = {
    "loop_p95": "event loop wakes up late, p95, ms",
    "round_trip": 'execute("pass"), median, ms',
    "cpu_share": "CPU of the process, % of a core",
    "polls_share": "of this for all polls, % of a core",
    "polls": "polls per second",
}
POLLS_GOAL_PERCENT = 1.0
START_SECONDS = 600
# So long a server that stood still catches up before it is measured.
SETTLE_SECONDS = 3.0


class Server:
    """A server process that stands still unless it is measured."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.windows: list[tuple[float, float]] = []  # Unix seconds

    @classmethod
    @asynccontextmanager
    async def started(cls, kind: str, count: int, info: str) -> AsyncIterator[Server]:
        """With so many kernels of that kind."""
        command = (sys.executable, str(Path(__file__).with_name("server_process.py")), kind, str(count), info)
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        server = cls(process)
        try:
            await server._line(START_SECONDS)
            process.send_signal(signal.SIGSTOP)
            yield server
        finally:
            process.kill()
            await process.wait()

    async def measure(self, seconds: float) -> dict[str, float]:
        """Lets it run, and asks what it felt."""
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        await asyncio.sleep(SETTLE_SECONDS)
        began = time.time()
        self._process.stdin.write(f"{seconds}\n".encode())
        said: dict[str, float] = json.loads(await self._line(seconds + 60))
        self.windows.append((began, began + seconds))
        self._process.send_signal(signal.SIGSTOP)
        return said

    async def _line(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server process ended; it said above why")
        return line


async def measure(count: int, rounds: int, seconds: float, namespace: str, audit_log: Path | None) -> str:
    """All rounds; the report."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    listener = Listener()
    background = [
        asyncio.create_task(listener.echo_for_ever()),
        asyncio.create_task(make_ready(cluster, namespace, listener)),
    ]
    info = json.dumps({**listener.info(), "key": listener.info()["key"].decode()})
    results: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in KINDS}
    try:
        async with AsyncExitStack() as stack:
            servers = {}
            for name, kind in KINDS.items():
                print(f"starting a server: {name}", file=sys.stderr, flush=True)
                kernels = 0 if name == EMPTY else count
                servers[name] = await stack.enter_async_context(Server.started(kind, kernels, info))
            for turn in range(rounds):
                for name in random.sample(list(servers), len(servers)):
                    for what, value in (await servers[name].measure(seconds)).items():
                        results[name][what].append(value)
                print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        listener.close()
        await cluster.close()
    polls = median(results[OURS]["polls_share"]) * 100
    lines = [f"{count} idle kernels in one server process, median of {rounds} windows of {seconds:g} s", *rows(results)]
    lines.append(goal("CPU of all polls", polls, POLLS_GOAL_PERCENT, " % of a core", 2))
    if audit_log is not None:
        lines += requests(audit_log, namespace, servers[OURS].windows)
    return "\n".join(lines)


def rows(results: dict[str, dict[str, list[float]]]) -> list[str]:
    """A line for each quantity: every server's, and how far ours is from the others."""
    lines = [f"{'':36}" + "".join(f"{name:>28}" for name in KINDS) + "   ours minus, to the ratio of, no kernels"]
    for what, title in TITLES.items():
        values = {name: median(results[name][what]) * UNITS[what] for name in KINDS}
        line = f"{title:36}" + "".join(f"{values[name]:28.3f}" for name in KINDS)
        ratio = f", {values[OURS] / values[EMPTY]:.2f}" if values[EMPTY] else ""
        lines.append(f"{line}   {values[OURS] - values[EMPTY]:+.3f}{ratio}")
    return lines


def requests(log: Path, namespace: str, windows: list[tuple[float, float]]) -> list[str]:
    """What the API server got from ours in the windows, per minute."""
    counts = requests_in(log, namespace, windows)
    minutes = sum(end - begin for begin, end in windows) / 60
    lines = [goal("API requests of ours", sum(counts.values()) / minutes, 0, " a minute", 1)]
    return lines + [f"  {verb:7} {resource:20} {n / minutes:.1f}" for (verb, resource), n in sorted(counts.items())]


def main() -> None:
    """Parses the command line and prints the report."""
    parser = argparse.ArgumentParser(prog="bench-idle", description="What idle kernels cost a notebook server.")
    parser.add_argument("--kernels", type=int, default=1000, help="idle kernels in a server (default 1000)")
    parser.add_argument("--rounds", type=int, default=6, help="measured windows of each server (default 6)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a window (default 10)")
    options = parser.parse_args()
    # A namespace that the cluster's operator leaves alone: tests/fixtures/namespaces.py.
    with bench_namespace("op") as (namespace, audit_log), tempfile.TemporaryDirectory() as prefix:
        install_ours(Path(prefix), "bench-idle", namespace, "idle", service="None")
        install_local(Path(prefix))
        os.environ["KUBERNEL_ACCESS"] = "direct"
        print(asyncio.run(measure(options.kernels, options.rounds, options.seconds, namespace, audit_log)))


if __name__ == "__main__":
    main()
