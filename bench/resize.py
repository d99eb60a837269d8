"""``make bench-resize``: from a request for more memory to the limit in the cgroup, beside a resize by hand.

The kernel itself looks at its limit, twice a millisecond, and its answer is timed here: no clock of the node is read.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import kernel_info
import kernelspecs
from arena import bench_namespace, parser_of_rounds
from audit import until_resized
from jupyter_client import AsyncKernelManager
from jupyter_client.asynchronous import AsyncKernelClient
from statistics_table import table

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster

SPEC = "bench-resize"
FIRST_MIB, STEP_MIB = 256, 4
# A step that takes longer is a failure, and the run ends.
STEP_SECONDS = 60.0
BY_HAND = "pods/resize by hand"
BY_PATCH = "spec.resources patched"
IN_TIME = "provisioner.resize() returns"
#: Of the last two, by the API server's clock.
ASKED, ANSWERED = "... the operator has asked", "... and has been answered"
#: Says "looking", and "there" when the container's limit is another.
LOOK = """
import pathlib, time
files = [pathlib.Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
file = next(file for file in files if file.exists())
before = file.read_text()
print("looking", flush=True)
while file.read_text() == before:
    time.sleep(0.0005)
print("there", flush=True)
"""


async def measure(rounds: int, namespace: str, audit_log: Path | None) -> str:
    """All rounds; the report."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    manager = AsyncKernelManager(kernel_name=SPEC)
    await manager.start_kernel()
    client = await kernel_info.answering_client(manager.get_connection_info())
    await kernel_info.subscribe(client)
    provisioner: Any = manager.provisioner
    name, mib = f"k-{manager.kernel_id}", FIRST_MIB
    instance = f"{paths.kernel_instances(namespace)}/{name}"
    pod = f"{paths.core('pods', namespace)}/{name}-1/resize"

    async def by_hand(amount: str) -> None:
        resources = {"limits": {"memory": amount}, "requests": {"memory": amount}}
        await cluster.strategic_patch(pod, {"spec": {"containers": [{"name": "kernel", "resources": resources}]}})

    async def by_patch(amount: str) -> None:
        resources = {"limits": {"memory": amount}, "requests": {"memory": amount}}
        await cluster.merge_patch(instance, {"spec": {"resources": resources}})

    async def in_time(amount: str) -> None:
        await provisioner.resize(memory=amount)

    contenders: dict[str, Callable[[str], Awaitable[None]]] = {BY_HAND: by_hand, BY_PATCH: by_patch}
    results: dict[str, list[float]] = {BY_HAND: [], BY_PATCH: [], IN_TIME: []}
    try:
        for turn in range(rounds + 1):
            for what in random.sample(list(contenders), len(contenders)):
                mib += STEP_MIB
                await asyncio.sleep(random.uniform(0.5, 1.5))
                seconds = await until_in_force(client, contenders[what], f"{mib}Mi")
                if turn:  # the first round warms caches and imports
                    results[what].append(seconds)
            mib += STEP_MIB
            await asyncio.sleep(random.uniform(0.5, 1.5))
            began = time.perf_counter()
            await in_time(f"{mib}Mi")
            if turn:
                results[IN_TIME].append(time.perf_counter() - began)
            print(f"round {turn} of {rounds}", file=sys.stderr, flush=True)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        await cluster.close()
    if audit_log is not None:
        parts = until_resized(audit_log, namespace)
        results |= {ASKED: [asked for asked, _ in parts], ANSWERED: [answered for _, answered in parts]}
    return table("request -> limit in force, seconds", results, {BY_PATCH: BY_HAND, IN_TIME: BY_HAND})


async def until_in_force(client: AsyncKernelClient, ask: Callable[[str], Awaitable[None]], amount: str) -> float:
    """Seconds from the request until the kernel has seen another limit."""
    async with asyncio.timeout(STEP_SECONDS):
        asked = client.execute(LOOK)
        await printed(client, asked, "looking")
        began = time.perf_counter()
        await ask(amount)
        await printed(client, asked, "there")
        seconds = time.perf_counter() - began
        await kernel_info.reply_to(client, asked)
        return seconds


async def printed(client: AsyncKernelClient, asked: str, word: str) -> None:
    """Returns when the cell has printed that."""
    while True:
        message = await client.get_iopub_msg()
        is_its = message["parent_header"].get("msg_id") == asked and message["msg_type"] == "stream"
        if is_its and word in message["content"]["text"]:
            return


def main() -> None:
    """Parses the command line and prints the report."""
    options = parser_of_rounds("bench/resize.py", "Resizes of a living kernel.", rounds=20).parse_args()
    with bench_namespace() as (namespace, audit_log), tempfile.TemporaryDirectory() as prefix:
        os.environ["KUBERNEL_MEMORY"] = f"{FIRST_MIB}Mi"
        kernelspecs.install_ours(Path(prefix), SPEC, namespace, options.image, service="None")
        print(asyncio.run(measure(options.rounds, namespace, audit_log)))


if __name__ == "__main__":
    main()
