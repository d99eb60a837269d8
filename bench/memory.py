"""``make bench-memory``: cells that need more memory than their kernel has, with memory that grows and without.

Both kinds of kernels have the same limit and run the same cells in the same run, one after the other. A cell has
finished when its result is right and the variable from before it is still there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import kernel_info
import kernelspecs
from arena import bench_namespace, parser_of_rounds
from jupyter_client import AsyncKernelManager
from jupyter_client.asynchronous import AsyncKernelClient
from statistics_table import table

from kubernel_api.conditions import ConditionType, find_condition
from kubernel_api.quantity import amount
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster

SPEC = "bench-memory"
LIMIT, MOST = "350Mi", "4Gi"
GROWS, STAYS = "350Mi, memory.max 4Gi", "350Mi"
CELL_SECONDS = 120.0
IDLE_SECONDS = 60.0
LOG_LINES = 12
#: What the node has for a kernel that wants more: it may grow a little.
LEFT_BYTES = 100 << 20
GOAL_SHARE = 0.001

STEPS = """
filled = [bytearray(b"x") * (16 << 20) for _ in range(64)]
right = sum(map(len, filled)) == 1 << 30
"""
AT_ONCE = """
filled = bytearray(b"x") * (300 << 20)
right = len(filled) == 300 << 20
"""
WORKERS = """
import multiprocessing
def fill(number, done):
    filled = [bytearray(b"x") * (8 << 20) for _ in range(32)]
    done.put(number)
    go.wait(100)
context = multiprocessing.get_context("fork")
go, done = context.Event(), context.Queue()
workers = [context.Process(target=fill, args=(number, done)) for number in range(4)]
[worker.start() for worker in workers]
found = sorted(done.get(timeout=60) for _ in workers)
go.set()
[worker.join() for worker in workers]
right = found == [0, 1, 2, 3] and not any(worker.exitcode for worker in workers)
"""
#: The fastest there is.
NUMPY = """
import numpy
filled = numpy.ones(75_000_000)
right = filled.sum() == 75_000_000
"""
#: A file of 130 MB, whose frame has 300; pandas takes half as much again while it reads.
READ_CSV = """
import pandas
with open("/tmp/table.csv", "w") as file:
    file.write("a,b,c,d\\n")
    for number in range(100):
        file.write("123456.5,0.25,-7.125,42\\n" * 60_000)
filled = pandas.concat([pandas.read_csv("/tmp/table.csv"), pandas.read_csv("/tmp/table.csv")])
right = filled.shape == (12_000_000, 4) and filled.d.sum() == 42 * 12_000_000
"""
CELLS = {
    "1 GiB in 64 steps": STEPS,
    "300 MiB at once": AT_ONCE,
    "4 workers, 1 GiB": WORKERS,
    "numpy.ones of 600 MB": NUMPY,
    "pandas.read_csv": READ_CSV,
}
LOOK = "print(open(f'/proc/{__import__(\"os\").getppid()}/schedstat').read().split()[0])"


async def started(most: str) -> tuple[AsyncKernelManager, AsyncKernelClient]:
    """A kernel with a variable, and its client."""
    os.environ["KUBERNEL_MEMORY_MAX"] = most
    manager = AsyncKernelManager(kernel_name=SPEC)
    await manager.start_kernel()
    client = await kernel_info.answering_client(manager.get_connection_info())
    await printed(client, "x = 42")
    return manager, client


async def printed(client: AsyncKernelClient, code: str) -> str:
    """What a cell prints."""
    texts: list[str] = []

    def take(message: dict[str, object]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream" and isinstance(content, dict):
            texts.append(str(content["text"]))

    await client.execute_interactive(code, timeout=CELL_SECONDS, output_hook=take, allow_stdin=False)
    return "".join(texts)


async def finishes(cell: str, most: str, namespace: str) -> float | str:
    """Seconds that the cell took in a kernel of its own, or why it did not finish."""
    manager, client = await started(most)
    try:
        began = time.perf_counter()
        task = asyncio.ensure_future(printed(client, cell + "print(x, right)"))
        while not task.done() and await manager.is_alive():
            await asyncio.wait({task}, timeout=0.2)
        if not task.done():
            task.cancel()
        await asyncio.wait({task})
        seconds = time.perf_counter() - began
        if not task.cancelled() and task.exception() is None and task.result() == "42 True\n":
            return seconds
        printed_last = "killed" if task.cancelled() else repr(task.exception() or task.result())
        return f"after {seconds:.1f} s: {printed_last}; {await last_words(manager, namespace)}"
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def last_words(manager: AsyncKernelManager, namespace: str) -> str:
    """What is said of a kernel, and the end of its container's log."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    try:
        status = (await cluster.get(f"{paths.kernel_instances(namespace)}/k-{manager.kernel_id}"))["status"]
        path = f"{paths.core('pods', namespace)}/{status['podName']}/log"
        lines = [line.decode() async for line in cluster.stream(path, {"tailLines": str(LOG_LINES)})]
        return f"{status['message']}\n{''.join(lines)}"
    finally:
        await cluster.close()


@contextlib.asynccontextmanager
async def full_node(cluster: Cluster, namespace: str, image: str) -> AsyncIterator[None]:
    """A pod reserves all that the node of the kernels has left, but for ``LEFT_BYTES``."""
    (node,) = (await cluster.list("/api/v1/nodes")).items
    pods = (await cluster.list("/api/v1/pods")).items
    taken = sum(
        amount(container.get("resources", {}).get("requests", {}).get("memory", "0"))
        for pod in pods
        if pod["status"].get("phase") in {"Pending", "Running"}
        for container in pod["spec"]["containers"]
    )
    resources = {"requests": {"memory": str(int(amount(node["status"]["allocatable"]["memory"]) - taken) - LEFT_BYTES)}}
    container = {"name": "c", "image": image, "command": ["sleep", "1000"], "resources": resources}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    path = paths.core("pods", namespace)
    await cluster.create(path, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "full"}, "spec": spec})
    try:
        async with asyncio.timeout(CELL_SECONDS):
            while (await cluster.get(f"{path}/full"))["status"]["phase"] != "Running":  # noqa: ASYNC110 - once
                await asyncio.sleep(0.5)
        yield
    finally:
        await cluster.delete(f"{path}/full")


async def more_than_the_node(namespace: str, image: str) -> str:
    """What is said of a kernel that wants more than its node has, and what becomes of it."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    manager, client = await started(MOST)
    try:
        async with full_node(cluster, namespace, image):
            began = time.perf_counter()
            task = asyncio.ensure_future(printed(client, STEPS))
            path, message = f"{paths.kernel_instances(namespace)}/k-{manager.kernel_id}", ""
            while not message and not task.done():
                await asyncio.sleep(0.1)
                status = (await cluster.get(path))["status"]
                found = find_condition(status["conditions"], ConditionType.SUSPENDED) or {}
                message = found.get("message", "") if " has no more: " in found.get("message", "") else ""
            told = time.perf_counter() - began
            await asyncio.wait({task}, timeout=CELL_SECONDS)
            lives = await manager.is_alive() and await printed(client, "filled = None; print(x)") == "42\n"
            words = f"told after {told:.1f} s: {message}" if message else "never told"
            return f"more than the node has: {words} It {'lives, with its variables' if lives else 'was killed'}."
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        await cluster.close()


async def idle_share(most: str) -> float:
    """Share of one core that the supervisor of an idle kernel takes."""
    manager, client = await started(most)
    try:
        await asyncio.sleep(10)  # what a start leaves to do
        began, before = time.perf_counter(), int(await printed(client, LOOK))
        await asyncio.sleep(IDLE_SECONDS)
        after = int(await printed(client, LOOK))
        return (after - before) / 1e9 / (time.perf_counter() - began)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def measure(rounds: int, namespace: str, image: str, kinds: Mapping[str, str], cells: Mapping[str, str]) -> str:
    """All rounds; the report. ``kinds``: the memory.max of each kind of kernels."""
    seconds: dict[str, list[float]] = {f"{name}, {kind}": [] for name in cells for kind in kinds}
    finished = dict.fromkeys(kinds, 0)
    for turn in range(1, rounds + 1):
        for name, cell in cells.items():
            for kind, most in kinds.items():
                took = await finishes(cell, most, namespace)
                if isinstance(took, float):
                    seconds[f"{name}, {kind}"].append(took)
                    finished[kind] += 1
                elif kind == GROWS:
                    print(f"{name}: {took}", file=sys.stderr, flush=True)
        print(f"round {turn} of {rounds}: {finished}; load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    if cells != CELLS:
        return table("finished cells, seconds", seconds, {})
    idle = {kind: await idle_share(most) for kind, most in kinds.items()}
    total = rounds * len(cells)
    lines = [
        *(f"{kind}: {number} of {total} finished with their variables" for kind, number in finished.items()),
        table("finished cells, seconds", seconds, {}),
        *(f"supervisor of an idle kernel, {kind}: {share:.3%} of a core" for kind, share in idle.items()),
        await more_than_the_node(namespace, image),
        f"goal: the guard costs less than {GOAL_SHARE:.1%}; it costs {idle[GROWS] - idle.get(STAYS, 0.0):.3%}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Parses the command line and prints the report."""
    parser = parser_of_rounds("bench/memory.py", "Kernels that need more memory.", rounds=4)
    parser.add_argument("--growing-only", action="store_true", help="none whose memory stays as it is")
    parser.add_argument("--only", default="", help='cells whose names have this in them, e.g. "csv"; nothing else')
    options = parser.parse_args()
    cells = {name: cell for name, cell in CELLS.items() if options.only in name}
    kinds = {GROWS: MOST} if options.growing_only else {GROWS: MOST, STAYS: ""}
    with bench_namespace() as (namespace, _), tempfile.TemporaryDirectory() as prefix:
        os.environ["KUBERNEL_MEMORY"] = LIMIT
        kernelspecs.install_ours(Path(prefix), SPEC, namespace, options.image, service="None")
        print(asyncio.run(measure(options.rounds, namespace, options.image, kinds, cells)))


if __name__ == "__main__":
    main()
