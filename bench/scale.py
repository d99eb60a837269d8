"""``make bench-scale``: what thousands of idle kernels cost the operator, and how it starts more of them meanwhile.

API server, scheduler and operator are real; the kernels' pods are on a node that runs nothing (``fake_node``). The
operator is a process of this benchmark with a namespace of its own. Its first burst, with no other kernels, is what the
later ones are compared with.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from audit import WRITES
from fake_node import RETRY_SECONDS, FakeNode, changes
from scale_report import BURST, RATE_PER_SECOND, report
from statistics_table import percentile

from fixtures import operator_process
from fixtures.api_client import Credentials
from fixtures.cluster import cluster_command, program
from fixtures.etcd_bytes import etcd_bytes, shared_bytes
from fixtures.kubectl import Kubectl
from fixtures.operator_process import OperatorProcess, build_operator
from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.constants import API_VERSION, KIND, LABEL_INSTANCE
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ClusterError

ROOT = Path(__file__).parents[1]
CONNECTIONS = 32
# An operator that uses less of a core than this, second after second, has nothing left to do.
STEADY_SHARE = 0.1
STEADY_SECONDS = 3
MIB = 1024


@dataclass
class Seen:
    """What the watches of this benchmark saw, by name of the KernelInstance; times are own monotonic seconds."""

    asked: dict[str, float] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    pod: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    changes: int = 0  # of KernelInstances: each is a status that the operator wrote, or one of our own creations

    async def until_ready(self, names: list[str], seconds: float) -> None:
        """Returns when all of them are.

        Raises:
            TimeoutError: some are not, and it says how many.
        """
        deadline = time.monotonic() + seconds
        while missing := [name for name in names if name not in self.ready]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(missing)} of {len(names)} kernels are not ready after {seconds:g} s")
            await asyncio.sleep(0.1)


class Bench:
    """One run: an operator, a node that runs nothing, and kernels on it."""

    def __init__(self, cluster: Cluster, namespace: str, operator: OperatorProcess, node: FakeNode) -> None:
        self._cluster, self._namespace, self._operator, self._node = cluster, namespace, operator, node
        self.seen = Seen()
        self._count = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watches KernelInstances and Pods."""
        tasks = [asyncio.create_task(self._watch_instances()), asyncio.create_task(self._watch_pods())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_instances(self) -> None:
        async for event in changes(self._cluster, paths.kernel_instances(self._namespace), {}):
            self.seen.changes += event["type"] == "MODIFIED"
            obj = event["object"]
            if is_true(obj.get("status"), ConditionType.READY):
                self.seen.ready.setdefault(obj["metadata"]["name"], time.monotonic())

    async def _watch_pods(self) -> None:
        async for event in changes(self._cluster, paths.core("pods", self._namespace), {}):
            if event["type"] == "ADDED":
                name = event["object"]["metadata"]["labels"].get(LABEL_INSTANCE, "")
                self.seen.pod.setdefault(name, time.monotonic())

    async def create(self, connections: asyncio.Semaphore | None = None, service: str = "None") -> str:
        """One more KernelInstance; its name."""
        self._count += 1
        name = f"k-{self._count}"
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name},
            "spec": {
                **self._node.placement,
                "connection": {"service": service},
                "kernel": {"argv": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]},
                "env": [{"name": f"JUPYTER_VARIABLE_{n}", "value": f"what a server passes on, {n}"} for n in range(12)],
                "resources": {"requests": {"cpu": "100m", "memory": "350Mi"}, "limits": {"memory": "2Gi"}},
                "lifecycle": {"startDeadlineSeconds": 3600},
            },
        }
        async with connections or asyncio.Semaphore():
            self.seen.asked[name] = time.monotonic()
            await self._post(body)
            self.seen.accepted[name] = time.monotonic()
        return name

    async def _post(self, body: dict[str, object]) -> None:
        """Asks until it is accepted: an API server that is overrun is part of what is measured."""
        while True:
            try:
                await self._cluster.create(paths.kernel_instances(self._namespace), body)
                return
            except ApiUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            except ApiError as error:
                if error.reason != "AlreadyExists":  # by a request whose answer never came
                    raise
                return

    async def fill(self, count: int) -> dict[str, float]:
        """Starts so many kernels, some at a time; kernels a second, and milliseconds of CPU for each."""
        connections = asyncio.Semaphore(CONNECTIONS)
        began, cpu = time.monotonic(), self.cpu_seconds()
        names = await asyncio.gather(*(self.create(connections) for _ in range(count)))
        await self.seen.until_ready(list(names), 60 + count)
        return {
            "rate": count / (time.monotonic() - began),
            "start cpu": 1000 * (self.cpu_seconds() - cpu) / count,
        }

    async def burst(self) -> dict[str, float]:
        """Creates many at once; seconds."""
        names = await asyncio.gather(*(self.create() for _ in range(BURST)))
        await self.seen.until_ready(list(names), 300)
        return {"accepted": max(self._since(self.seen.accepted, names)), **self._latencies(names)}

    async def open_loop(self, seconds: float) -> dict[str, float]:
        """Creates some each second, however long each takes; seconds."""
        tasks = []
        for _ in range(int(seconds * RATE_PER_SECOND)):
            tasks.append(asyncio.create_task(self.create()))
            await asyncio.sleep(1 / RATE_PER_SECOND)
        names = await asyncio.gather(*tasks)
        await self.seen.until_ready(list(names), 300)
        return self._latencies(names)

    def _latencies(self, names: list[str]) -> dict[str, float]:
        pods, ready = self._since(self.seen.pod, names), self._since(self.seen.ready, names)
        return {
            "pod p50": median(pods),
            "pod p99": percentile(pods, 99),
            "ready p50": median(ready),
            "ready p99": percentile(ready, 99),
        }

    def _since(self, times: dict[str, float], names: list[str]) -> list[float]:
        return [times[name] - self.seen.asked[name] for name in names]

    async def etcd(self) -> dict[str, float]:
        """What one more kernel, with a Service, takes in etcd; kB, by kind."""
        name = await self.create(service="ClusterIP")
        await self.seen.until_ready([name], 300)
        credentials = Credentials.of(Path(os.environ["KUBECONFIG"]))
        sizes = await asyncio.to_thread(etcd_bytes, credentials, self._namespace, name)
        shared = await asyncio.to_thread(shared_bytes, credentials, self._namespace)
        return {kind: size / 1000 for kind, size in sizes.items()} | {"shared": shared / 1000}

    async def idle(self, seconds: float) -> dict[str, float]:
        """Lets the operator do nothing; MiB, percent of a core, writes per minute."""
        cpu, changes = self.cpu_seconds(), self.seen.changes
        writes = self.writes()
        await asyncio.sleep(seconds)
        return {
            "memory": self.memory("VmRSS"),
            "idle": 100 * (self.cpu_seconds() - cpu) / seconds,
            "writes": 60 * max(self.seen.changes - changes, self.writes() - writes) / seconds,
        }

    async def restart(self) -> dict[str, float]:
        """Kills the operator and starts it again; seconds, MiB and writes until it is steady."""
        self._operator.kill()
        changes, writes = self.seen.changes, self.writes()
        began = time.monotonic()
        await asyncio.to_thread(self._operator.start)
        ready = time.monotonic() - began
        steady = await self._until_steady() - began
        return {
            "ready": ready,
            "restart": steady,
            "restart cpu": self.cpu_seconds(),
            "restart writes": max(self.seen.changes - changes, self.writes() - writes),
            "restart peak": self.memory("VmHWM"),
        }

    async def sweep(self, seconds: float) -> float:
        """Lets another operator compare everything with the API server again and again; MiB at most."""
        self._operator.kill()
        self._operator.command.append(f"--sweep-interval-seconds={max(1, int(seconds / 4))}")
        await asyncio.to_thread(self._operator.start)
        await asyncio.sleep(seconds)
        return self.memory("VmHWM")

    async def _until_steady(self) -> float:
        """When it began to do nothing, own monotonic seconds."""
        since, quiet = time.monotonic(), 0
        while quiet < STEADY_SECONDS:
            cpu = self.cpu_seconds()
            await asyncio.sleep(1)
            quiet = quiet + 1 if self.cpu_seconds() - cpu < STEADY_SHARE else 0
            if not quiet:
                since = time.monotonic()
        return since

    def cpu_seconds(self) -> float:
        """Of the operator so far."""
        fields = (self._proc / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name: str) -> float:
        """MiB of the operator: VmRSS now, VmHWM at most."""
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) / MIB for line in lines if line.startswith(f"{name}:"))

    def writes(self) -> int:
        """Of the operator about kernels, not of its own Lease, where the cluster has an audit log; else 0."""
        try:
            log = Path(cluster_command("audit-log"))
        except RuntimeError:
            return 0
        needles = [f'"verb":"{verb}"' for verb in WRITES]
        with log.open() as lines:
            return sum(
                self._namespace in line
                and '"userAgent":"kubernel-operator' in line
                and '"resource":"leases"' not in line
                and any(needle in line for needle in needles)
                for line in lines
            )

    @property
    def _proc(self) -> Path:
        assert self._operator.process is not None
        return Path(f"/proc/{self._operator.process.pid}")


async def measure(count: int, seconds: float, namespace: str, operator: OperatorProcess, callback_url: str) -> str:
    """All phases; the report."""
    cluster = await Cluster.connect(os.environ["KUBECONFIG"], product="kubernel-bench")
    try:
        await asyncio.to_thread(operator.start)
        secret = await cluster.get(f"{paths.core('secrets', namespace)}/kubernel-operator")
        key = base64.b64decode(secret["data"]["key"])
        node = FakeNode(cluster, namespace, key, callback_url)
        async with node.running(namespace):
            bench = Bench(cluster, namespace, operator, node)
            async with bench.watching():
                try:
                    return await _phases(bench, count, seconds)
                finally:
                    operator.kill()
                    await clean_up(cluster, namespace)
    finally:
        await cluster.close()


async def _phases(bench: Bench, count: int, seconds: float) -> str:
    def say(what: str, figures: dict[str, float] | None = None) -> None:
        words = "".join(f" {name} {value:.2f}," for name, value in (figures or {}).items())
        print(f"{what}{words}", file=sys.stderr, flush=True)

    empty_memory = bench.memory("VmRSS")
    say(f"a burst of {BURST} with no other kernels")
    first = await bench.burst()
    say("  ", first)
    say("one kernel's bytes in etcd")
    etcd = await bench.etcd()
    say("  ", etcd)
    say(f"{count} kernels")
    fill = await bench.fill(max(1, count - BURST - 1))
    say("  ", fill)
    say(f"idle for {seconds:g} s")
    idle = await bench.idle(seconds)
    say("  ", idle)
    say("a restart of the operator")
    restart = await bench.restart()
    say("comparisons with the API server")
    restart["peak"] = await bench.sweep(seconds)
    say("  ", restart)
    say(f"a burst of {BURST}, and {RATE_PER_SECOND} a second for {seconds:g} s")
    burst = await bench.burst()
    say("  ", burst)
    loop = await bench.open_loop(seconds)
    return report(count, {**fill, "empty": empty_memory, **idle, **restart}, etcd, first, burst, loop)


async def clean_up(cluster: Cluster, namespace: str) -> None:
    """Deletes the objects kind by kind: garbage collection of ten thousand kernels would take half an hour."""
    collections = [
        paths.kernel_instances(namespace),
        *(paths.core(resource, namespace) for resource in ("pods", "secrets", "services", "events")),
    ]
    for path in collections:
        while True:
            with suppress(ClusterError):
                await cluster.request("DELETE", path, body={"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
            with suppress(ClusterError):
                page = await cluster.request("GET", path, query={"limit": 1})
                if not page["items"] or path.endswith("secrets"):
                    break
            await asyncio.sleep(1)


def main() -> None:
    """Parses the command line and prints the report."""
    parser = argparse.ArgumentParser(
        prog="bench-scale", description="What thousands of idle kernels cost the operator."
    )
    parser.add_argument("--kernels", type=int, default=10_000, help="idle kernels (default 10000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each observation (default 60)")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell ignores the first one for what runs in the background
        signal.signal(number, signal.default_int_handler)
    kubectl = Kubectl(program("kubectl"), Path(cluster_command("kubeconfig")))
    os.environ["KUBECONFIG"] = str(kubectl.kubeconfig)
    kubectl("apply", "-f", str(ROOT / "crds"))
    operator_process.READY_SECONDS = 600.0
    # A namespace that the cluster's own operator leaves alone: tests/fixtures/namespaces.py.
    namespace = f"op-{secrets.token_hex(3)}"
    kubectl("create", "namespace", namespace)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "operator.log"
        operator = build_operator(kubectl, namespace, log, "--log-level=WARNING")
        url = next(part.partition("=")[2] for part in operator.command if part.startswith("--callback-url="))
        try:
            print(asyncio.run(measure(options.kernels, options.seconds, namespace, operator, url)))
        finally:
            kubectl("delete", "namespace", namespace, "--wait=false")
            print(*log.read_text().splitlines()[-20:], sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
