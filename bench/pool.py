"""``make bench-pool``: kernels that come out of a KernelPool, beside local ones.

One after the other, from ``start_kernel()`` and from a KernelInstance as ``kubectl apply`` makes it, with environment
and directory of their own, and what the machine's API server allows at best (``floor.py``); then five a second for ten
seconds from a pool of 20 that is refilled meanwhile. Requests are counted from the audit log: those of a claim, and
those of the member that takes the place of the claimed one.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import floor
import kernelspecs
from arena import bench_namespace, parser_of_rounds
from audit import WRITES, Request, requests_between
from goals import goal, of_seconds
from jupyter_kernel import JupyterKernel
from kernel_info import answering_client
from statistics_table import table

from fixtures.namespaces import PREFIX_OF_PROCESSES
from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.connection import connection_info
from kubernel_api.constants import API_VERSION, KIND, POOL_KIND
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.follow import Follower

POOL, SPEC = "bench", "bench-pool"
LOCAL = "local kernel, kernel_info"
STARTED, STARTED_INFO = "start_kernel() returns", "start_kernel(), kernel_info"
CREATED, CREATED_INFO = "KernelInstance, Ready", "KernelInstance, kernel_info"
WARM = "... of the warm ones"
ROWS = (floor.READY, floor.INFO, STARTED, STARTED_INFO, CREATED, CREATED_INFO, LOCAL)
BASELINE = {
    STARTED: floor.READY,
    STARTED_INFO: floor.INFO,
    CREATED: floor.READY,
    CREATED_INFO: floor.INFO,
    LOCAL: STARTED_INFO,
}
#: p50 and p95 in seconds; of the open loop p50 and p99.
GOALS = {CREATED: (0.020, 0.035), CREATED_INFO: (0.030, 0.050), STARTED_INFO: (0.030, 0.050)}
LOOP_GOAL = (0.060, 0.250)
WRITES_GOAL = (4, 12)
FILLED_SECONDS, READY_SECONDS, SETTLE_SECONDS = 180.0, 60.0, 3.0


class Kernels:
    """The namespace's KernelInstances, as one watch shows them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._path = cluster, paths.kernel_instances(namespace)
        self._changed = asyncio.Condition()
        self._found: dict[str, dict[str, Any]] = {}
        self._ready_at: dict[str, float] = {}
        self._names = (f"k-bench-{number}" for number in itertools.count())
        self.follower = Follower(cluster, self._path, {}, self)

    def replace(self, objects: list[dict[str, Any]], *_: Any, **__: Any) -> None:
        """Takes a list."""
        for obj in objects:
            self.apply("ADDED", obj)

    def apply(self, _: str, obj: dict[str, Any]) -> None:
        """Takes an event."""
        name, status = obj["metadata"]["name"], obj.get("status") or {}
        self._found[name] = status
        if is_true(status, ConditionType.READY) and name not in self._ready_at:
            self._ready_at[name] = time.perf_counter()
        self._waking = asyncio.create_task(self._wake())

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def create(self, image: str, service: str) -> str:
        """As ``kubectl apply`` does it: the operator makes the key."""
        name = next(self._names)
        spec = {
            "image": image,
            "connection": {"service": service},
            "env": [{"name": "BENCH_NAME", "value": name}],
            "workingDir": f"/tmp/{name}",
        }
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
        await self._cluster.create(self._path, body)
        return name

    async def ready(self, name: str) -> float:
        """When it was seen to be Ready (``time.perf_counter``)."""
        async with asyncio.timeout(READY_SECONDS), self._changed:
            await self._changed.wait_for(lambda: name in self._ready_at)
        return self._ready_at[name]

    def was_warm(self, name: str) -> bool:
        """Whether it came out of the pool."""
        return bool((self._found[name].get("start") or {}).get("type") == "Warm")

    def pod_of(self, name: str) -> str:
        """Name of its pod."""
        return str(self._found[name]["podName"])

    def why_cold(self, name: str) -> str:
        """What its status says of a cold start."""
        return str((self._found[name].get("start") or {}).get("reason"))

    async def connect(self, name: str) -> Any:
        """A client of it that was answered."""
        connection = self._found[name]["connection"]
        secret = paths.core("secrets", self._path.split("/")[-2])
        data = (await self._cluster.get(f"{secret}/{connection['secretName']}"))["data"]
        return await answering_client(connection_info(connection, data))

    async def delete(self, name: str) -> None:
        """Ends it."""
        await self._cluster.delete(f"{self._path}/{name}")


class Pool:
    """The KernelPool."""

    def __init__(self, cluster: Cluster, namespace: str, spec: dict[str, Any]) -> None:
        self._cluster, self._path, self._spec = cluster, paths.kernel_pools(namespace), spec

    async def create(self) -> None:
        """An empty one."""
        body = {"metadata": {"name": POOL}, "spec": {**self._spec, "replicas": 0}}
        await self._cluster.create(self._path, {"apiVersion": API_VERSION, "kind": POOL_KIND, **body})

    async def fill(self, replicas: int) -> None:
        """Returns when so many members wait."""
        changed = await self._cluster.merge_patch(f"{self._path}/{POOL}", {"spec": {"replicas": replicas}})
        generation = changed["metadata"]["generation"]
        async with asyncio.timeout(FILLED_SECONDS):
            while True:
                status = (await self._cluster.get(f"{self._path}/{POOL}")).get("status") or {}
                if status.get("observedGeneration") == generation and status.get("readyReplicas") == replicas:
                    return
                await asyncio.sleep(0.2)


class Bench:
    """What is measured, in one namespace.

    Attributes:
        floor: what it is compared with.
    """

    def __init__(self, cluster: Cluster, namespace: str, options: argparse.Namespace, log: Path | None) -> None:
        self.floor: floor.Floor | None = None
        self._namespace, self._image, self._service, self._log = namespace, options.image, options.service, log
        spec = {"image": options.image, "service": options.service, "maxStarting": options.max_starting}
        self.kernels, self.pool = Kernels(cluster, namespace), Pool(cluster, namespace, spec)

    async def one_of_each(self, replicas: int) -> dict[str, float]:
        """One kernel of each kind after the other, in a random order; seconds."""
        seconds: dict[str, float] = {}
        assert self.floor is not None
        makers = [self._started, self._created, self._local, self.floor.measure]
        for make in random.sample(makers, len(makers)):
            await asyncio.sleep(SETTLE_SECONDS)  # a claim is told to its pool's status, and made good, a second later
            await self.pool.fill(replicas)
            await asyncio.sleep(random.uniform(0.5, 1.5))
            seconds |= await make()
        return seconds

    async def _started(self) -> dict[str, float]:
        kernel, began = JupyterKernel(SPEC), time.perf_counter()
        try:
            await kernel.start()
            answered = time.perf_counter() - began
            await self._must_be_warm(kernel.name)
            return {STARTED: kernel.started - began, STARTED_INFO: answered}
        finally:
            await kernel.stop()

    async def _created(self) -> dict[str, float]:
        began = time.perf_counter()
        name = await self.kernels.create(self._image, self._service)
        try:
            ready = await self.kernels.ready(name)
            client = await self.kernels.connect(name)
            answered = time.perf_counter()
            client.stop_channels()
            await self._must_be_warm(name)
            return {CREATED: ready - began, CREATED_INFO: answered - began}
        finally:
            await self.kernels.delete(name)

    async def _local(self) -> dict[str, float]:
        kernel, began = JupyterKernel(kernelspecs.LOCAL), time.perf_counter()
        try:
            await kernel.start()
            return {LOCAL: time.perf_counter() - began}
        finally:
            await kernel.stop()

    async def _must_be_warm(self, name: str) -> None:
        await self.kernels.ready(name)
        if not self.kernels.was_warm(name):
            raise RuntimeError(f"{name} was cold: {self.kernels.why_cold(name)}")

    async def members_per_second(self, replicas: int) -> float:
        """How many an empty pool makes."""
        await self.pool.fill(0)
        began = time.perf_counter()
        await self.pool.fill(replicas)
        return replicas / (time.perf_counter() - began)

    async def open_loop(self, rate: float, seconds: float) -> tuple[dict[str, list[float]], Counter[str], float]:
        """Claims at a fixed rate, however long they take.

        Returns:
            Seconds of each, how many were cold, and why, and for how many seconds none was.
        """
        rows: dict[str, list[float]] = {CREATED: [], CREATED_INFO: [], WARM: []}
        cold: Counter[str] = Counter()
        lasted = seconds
        names: list[str] = []

        async def one() -> None:
            began = time.perf_counter()
            name = await self.kernels.create(self._image, self._service)
            names.append(name)
            took = await self.kernels.ready(name) - began
            rows[CREATED].append(took)
            client = await self.kernels.connect(name)
            rows[CREATED_INFO].append(time.perf_counter() - began)
            client.stop_channels()
            if self.kernels.was_warm(name):
                rows[WARM].append(took)
            else:
                nonlocal lasted
                cold[self.kernels.why_cold(name)] += 1
                lasted = min(lasted, began - begun)

        begun = time.perf_counter()
        claims = []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            claims.append(asyncio.create_task(one()))
        try:
            await asyncio.gather(*claims)
        finally:
            await asyncio.gather(*(self.kernels.delete(name) for name in names), return_exceptions=True)
        return rows, cold, lasted

    async def writes(self, replicas: int) -> str:
        """What one claim writes, from the audit log: by itself, and with the member that is made in the place of it."""
        if self._log is None:
            return "writes: this cluster has no audit log"
        await self.pool.fill(replicas)
        await asyncio.sleep(SETTLE_SECONDS)
        began = time.time()
        name = await self.kernels.create(self._image, self._service)
        await self.kernels.ready(name)
        claimed = self.kernels.pod_of(name)
        await asyncio.sleep(SETTLE_SECONDS)
        await self.pool.fill(replicas)
        await asyncio.sleep(SETTLE_SECONDS)
        requests = [r for r in requests_between(self._log, self._namespace, began, time.time()) if r.verb in WRITES]
        await self.kernels.delete(name)
        of_claim = [r for r in requests if r.who == "operator" and (name in r.name or claimed in r.name)]
        both = [r for r in requests if r.who == "operator"]
        return "\n".join(
            [
                goal("writes of the operator for a claim", len(of_claim), WRITES_GOAL[0]),
                *lines_of(of_claim),
                goal("writes of the operator for a claim and its refill", len(both), WRITES_GOAL[1]),
                *lines_of([r for r in both if r not in of_claim]),
            ]
        )


def lines_of(requests: Sequence[Request]) -> list[str]:
    """How many of each kind."""
    counts = Counter(f"{r.verb:7} {r.resource}" for r in requests)
    return [f"    {what:40} {number}" for what, number in sorted(counts.items())]


async def measure(options: argparse.Namespace, namespace: str, aside: str, log: Path | None) -> str:
    """All of it; the report. ``aside``: a namespace that no operator looks after."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    bench, untended = Bench(cluster, namespace, options, log), Kernels(cluster, aside)
    following = [asyncio.create_task(each.follower.follow_for_ever()) for each in (bench.kernels, untended)]
    rows: dict[str, list[float]] = {name: [] for name in ROWS}
    try:
        await bench.pool.create()
        async with floor.standing(untended, aside) as bench.floor:
            for turn in range(options.rounds + 1):
                for name, value in (await bench.one_of_each(options.waiting)).items():
                    if turn:  # the first round warms caches and imports
                        rows[name].append(value)
                print(f"round {turn} of {options.rounds}", file=sys.stderr, flush=True)
        writes = await bench.writes(options.waiting)
        made = await bench.members_per_second(options.replicas)
        await asyncio.sleep(SETTLE_SECONDS)
        loop, cold, lasted = await bench.open_loop(options.rate, options.seconds)
    finally:
        for task in following:
            task.cancel()
        await cluster.close()
    title = f"{options.rate:g} a second for {options.seconds:g} s from {options.replicas}"
    return "\n\n".join(
        [
            table("one after the other, seconds", rows, BASELINE),
            "\n".join(of_seconds(rows, GOALS, 95)),
            table(title, loop, {}),
            "\n".join(
                [
                    *of_seconds(loop, {CREATED: LOOP_GOAL}, 99),
                    goal("cold starts", cold.total(), 0) + (f" {dict(cold)}" if cold else ""),
                    f"none was cold for {lasted:.1f} s; an empty pool makes {made:.2f} members a second",
                ]
            ),
            writes,
        ]
    )


def main() -> None:
    """Parses the command line and prints the report."""
    parser = parser_of_rounds("bench-pool", __doc__, rounds=20)
    parser.add_argument("--waiting", type=int, default=3, help="members that wait meanwhile (default 3)")
    parser.add_argument("--replicas", type=int, default=20, help="members before the open loop (default 20)")
    parser.add_argument("--max-starting", type=int, default=2, help="members that start at the same time (default 2)")
    parser.add_argument("--rate", type=float, default=5.0, help="claims a second in the open loop (default 5)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long it lasts (default 10)")
    parser.add_argument("--service", default="ClusterIP", help="of pool and kernels (default ClusterIP)")
    options = parser.parse_args()
    untended = bench_namespace(PREFIX_OF_PROCESSES)
    with bench_namespace() as (namespace, log), untended as (aside, _), tempfile.TemporaryDirectory() as prefix:
        kernelspecs.install_ours(Path(prefix), SPEC, namespace, options.image, service=options.service)
        kernelspecs.install_local(Path(prefix))
        print(asyncio.run(measure(options, namespace, aside, log)))


if __name__ == "__main__":
    main()
