"""A notebook server's process with many idle kernels, as the benchmark of idle servers drives it.

Started with a kind of kernels and their number. It says "started" when they run; each line with a number of seconds
that it reads is answered by one line of JSON with what it measured in that time.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.ioloop import AsyncIOLoopKernelManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerBase
from kernel_info import answering_client, reply_to
from kernelspecs import LOCAL
from statistics_table import percentile

KERNELSPEC = "bench-idle"
AT_ONCE = 20
TICK_SECONDS = 0.005
ROUND_TRIP_EVERY_SECONDS = 0.1


class NoProvisioner(KernelProvisionerBase):
    """Kernels that cost nothing: what is left is jupyter_client's own work for each."""

    info: dict[str, Any] = {}  # noqa: RUF012 - set once for the process

    @property
    def has_process(self) -> bool:
        """Always."""
        return True

    async def poll(self) -> int | None:
        """It runs."""
        return None

    async def wait(self) -> int | None:
        """It has ended."""
        return 0

    async def send_signal(self, signum: int) -> None:
        """Nothing happens."""

    async def kill(self, restart: bool = False) -> None:
        """Nothing happens."""

    async def terminate(self, restart: bool = False) -> None:
        """Nothing happens."""

    async def cleanup(self, restart: bool = False) -> None:
        """Nothing happens."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """No command."""
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """The connection info that all share."""
        del cmd, kwargs
        return self.info


async def start_kernels(kind: str, count: int, context: zmq.asyncio.Context) -> list[AsyncKernelManager]:
    """So many kernels, under the restarter of a notebook server."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def start() -> AsyncKernelManager:
        manager = AsyncIOLoopKernelManager(kernel_name=KERNELSPEC, context=context)
        if kind == "none":
            manager.provisioner = NoProvisioner(parent=manager, kernel_spec=manager.kernel_spec)
        async with gate:
            await manager.start_kernel()
        return manager

    return await asyncio.gather(*(start() for _ in range(count)))


@asynccontextmanager
async def local_kernel() -> AsyncIterator[Any]:
    """A client of a local kernel in the same process: what a user of this server feels."""
    manager = AsyncKernelManager(kernel_name=LOCAL)
    await manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = await answering_client(manager.get_connection_info())
    try:
        yield client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def latencies(until: float) -> list[float]:
    """How late the event loop woke up, seconds."""
    late = []
    while (began := time.perf_counter()) < until:
        await asyncio.sleep(TICK_SECONDS)
        late.append(time.perf_counter() - began - TICK_SECONDS)
    return late


async def round_trips(client: Any, until: float) -> list[float]:
    """Seconds of ``execute("pass")``."""
    seconds = []
    while (began := time.perf_counter()) < until:
        await reply_to(client, client.execute("pass"))
        seconds.append(time.perf_counter() - began)
        await asyncio.sleep(ROUND_TRIP_EVERY_SECONDS)
    return seconds


class PollClock:
    """Adds up the CPU time of all polls. One by one, as they come: many in a row would find their data in the cache."""

    def __init__(self, provisioner: type[KernelProvisionerBase]) -> None:
        self.seconds, self.count = 0.0, 0
        poll = provisioner.poll

        async def timed(provisioner: KernelProvisionerBase) -> int | None:
            began = time.thread_time()
            try:
                return await poll(provisioner)
            finally:
                self.seconds += time.thread_time() - began
                self.count += 1

        provisioner.poll = timed  # type: ignore[method-assign]


async def measure(seconds: float, client: Any, polls: PollClock) -> dict[str, Any]:
    """What a window of that length shows; seconds, and shares of one core."""
    cpu, polling, count, began = time.process_time(), polls.seconds, polls.count, time.perf_counter()
    late, trips = await asyncio.gather(latencies(began + seconds), round_trips(client, began + seconds))
    took = time.perf_counter() - began
    return {
        "loop_p95": percentile(late, 95),
        "round_trip": median(trips),
        "cpu_share": (time.process_time() - cpu) / took,
        "polls_share": (polls.seconds - polling) / took,
        "polls": (polls.count - count) / took,
    }


async def main(kind: str, count: int, info: dict[str, Any]) -> None:
    """Starts, then answers line by line until its input ends."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    NoProvisioner.info = {**info, "key": info["key"].encode()}
    context = zmq.asyncio.Context.instance()
    context.set(zmq.MAX_SOCKETS, 4 * count + 100)
    loop = asyncio.get_running_loop()
    async with local_kernel() as client:
        managers = await start_kernels(kind, count, context)
        polls = PollClock(type(managers[0].provisioner) if managers else NoProvisioner)
        print("started", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await measure(float(line), client, polls)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
