"""What no start through an API server can be faster than, on the machine where it is measured.

A client creates a KernelInstance, another process sees it by its watch and answers in its status, and the client sees
that by its own. No pod, no kernel, no Secret, no decision. Then a kernel that has run for long answers a new client.

As a program: answers in a namespace until it is ended.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import kernelspecs
import uvloop
from jupyter_kernel import JupyterKernel
from kernel_info import answering_client

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fixtures.objects import ready_status
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster

READY, INFO = "floor: created, answered, seen", "floor, kernel_info"


class Watched(Protocol):
    """The KernelInstances of a namespace, as ``pool.Kernels`` sees them."""

    async def create(self, image: str, service: str) -> str:
        """Makes one."""

    async def ready(self, name: str) -> float:
        """When it was seen to be Ready."""

    async def delete(self, name: str) -> None:
        """Ends it."""


class Floor:
    """One round after the other.

    Args:
        kernels: of a namespace that no operator looks after.
        local: a local kernel that runs.
    """

    def __init__(self, kernels: Watched, local: JupyterKernel) -> None:
        self._kernels, self._local = kernels, local

    async def measure(self) -> dict[str, float]:
        """Seconds."""
        began = time.perf_counter()
        name = await self._kernels.create("floor", "None")
        try:
            ready = await self._kernels.ready(name)
            client = await answering_client(self._local.connection_info)
            answered = time.perf_counter()
            client.stop_channels()
            return {READY: ready - began, INFO: answered - began}
        finally:
            await self._kernels.delete(name)


@asynccontextmanager
async def standing(kernels: Watched, namespace: str) -> AsyncIterator[Floor]:
    """With what answers in that namespace, and a local kernel."""
    answering = await asyncio.create_subprocess_exec(sys.executable, __file__, namespace)
    local = JupyterKernel(kernelspecs.LOCAL)
    try:
        await local.start()
        yield Floor(kernels, local)
    finally:
        await local.stop()
        answering.terminate()
        await answering.wait()


async def answer(namespace: str) -> None:
    """Makes each new KernelInstance Ready."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    path, tasks = paths.kernel_instances(namespace), set[asyncio.Task[Any]]()
    for _ in itertools.count():  # the API server ends a watch after some minutes
        async for event in cluster.watch(path, {}):
            if event["type"] == "ADDED":
                name = event["object"]["metadata"]["name"]
                task = asyncio.create_task(cluster.merge_patch(f"{path}/{name}/status", {"status": ready_status()}))
                tasks.add(task)
                task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(answer(sys.argv[1]))
