"""``make bench-fair``: what one namespace can do to another one's starts.

Two namespaces share an operator, which runs as a process beside this one. In the first, a thousand KernelInstances are
created as fast as the API server takes them, and 300 pods swallow what is sent to them. In the second, one
KernelInstance after the other is created, and it is noted how much later its pod exists. No pod runs: none fits on a
node, so this is the operator alone, and the kubelet's part of the 300 is played here.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

# What tests use to get a cluster and an operator serves here too.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from goals import goal
from statistics_table import percentile

from fixtures.api_client import ApiClient, Credentials
from fixtures.cluster import cluster_command, program
from fixtures.kubectl import Kubectl
from fixtures.namespaces import PREFIX_OF_PROCESSES, create_namespace, if_there, instances_path, path_of
from fixtures.operator_process import build_operator
from kubernel_api.constants import API_VERSION, CONTROL_PORT, KERNEL_CONTAINER, KIND, PORTS
from kubernel_api.names import pod_name
from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster
from kubernel_cluster.errors import ApiError

# A loopback address: what is sent to it leaves this machine's kernel as little as it enters a process.
BLACK_HOLE = "127.0.0.9"
CREATED_AT_ONCE = 20
POLL_SECONDS = 0.005
PAUSE_SECONDS = 0.2
GOAL_SECONDS = 0.5
LOADS = ("alone", "beside silent pods", "beside silent pods and creations")


@contextmanager
def black_hole() -> Iterator[None]:
    """Ports that accept nothing: their queues of connections are full, so Linux drops what else arrives."""
    with ExitStack() as stack:
        for port in (*PORTS.values(), CONTROL_PORT):
            listener = stack.enter_context(socket.create_server((BLACK_HOLE, port), backlog=0))
            listener.setblocking(False)
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((BLACK_HOLE, port))
        yield


def instance(name: str, namespace: str) -> dict[str, Any]:
    """A KernelInstance whose pod no node takes."""
    spec = {
        "nodeSelector": {"bench.kubernel.dev/node": "none"},
        "connection": {"service": "None"},
        "lifecycle": {"startDeadlineSeconds": 86400},
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


class Bench:
    """Two namespaces, and what happens in them."""

    def __init__(self, cluster: Cluster, loud: str, quiet: str) -> None:
        self._cluster, self._loud, self._quiet = cluster, loud, quiet
        self._names = (f"k-{number}" for number in itertools.count())

    async def _create(self, namespace: str) -> str:
        name = next(self._names)
        await self._cluster.create(paths.kernel_instances(namespace), instance(name, namespace))
        return name

    async def _until_there(self, namespace: str, name: str) -> None:
        path = f"{paths.core('pods', namespace)}/{pod_name(name, 1)}"
        while True:
            try:
                await self._cluster.get(path)
            except ApiError as error:
                if error.status != 404:
                    raise
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    async def pods(self, namespace: str) -> int:
        """How many pods there are."""
        return len((await self._cluster.list(paths.core("pods", namespace))).items)

    async def seconds_to_pod(self) -> float:
        """From the creation of a KernelInstance in the second namespace until its pod exists."""
        name = await self._create(self._quiet)
        began = time.perf_counter()
        await self._until_there(self._quiet, name)
        return time.perf_counter() - began

    async def samples(self, seconds: list[float], more: Callable[[], bool]) -> None:
        """One after the other, with a pause, for as long as there are to be more."""
        while more():
            seconds.append(await self.seconds_to_pod())
            await asyncio.sleep(PAUSE_SECONDS)

    async def flood(self, count: int) -> list[str]:
        """So many KernelInstances in the first namespace, as fast as the API server takes them; their names."""
        names: list[str] = []

        async def create(_: int) -> None:
            names.append(await self._create(self._loud))

        await some_at_once(create, range(count))
        return names

    async def silence(self, count: int) -> None:
        """Pods in the first namespace whose container runs and which swallow what is sent to them."""
        await some_at_once(self._silence, await self.flood(count))

    async def _silence(self, name: str) -> None:
        await self._until_there(self._loud, name)
        status = {
            "phase": "Running",
            "podIP": BLACK_HOLE,
            "podIPs": [{"ip": BLACK_HOLE}],
            "containerStatuses": [
                {
                    "name": KERNEL_CONTAINER,
                    "image": "bench",
                    "imageID": "bench",
                    "ready": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}},
                }
            ],
        }
        path = f"{paths.core('pods', self._loud)}/{pod_name(name, 1)}/status"
        await self._cluster.merge_patch(path, {"status": status})


async def some_at_once(work: Callable[[Any], Awaitable[None]], things: Iterable[Any]) -> None:
    """Works on all things, on a few at a time."""
    rest = iter(things)

    async def one_after_the_other() -> None:
        for thing in rest:
            await work(thing)

    await asyncio.gather(*(one_after_the_other() for _ in range(CREATED_AT_ONCE)))


def counted(count: int) -> Callable[[], bool]:
    """True so many times."""
    left = iter(range(count))
    return lambda: next(left, None) is not None


async def measure(bench: Bench, loud: str, creations: int, silent: int, samples: int) -> str:
    """All three loads; the report."""
    seconds: dict[str, list[float]] = {load: [] for load in LOADS}
    await bench.samples(seconds[LOADS[0]], counted(samples))
    await bench.silence(silent)
    await asyncio.sleep(5)  # the operator asks them all
    await bench.samples(seconds[LOADS[1]], counted(samples))
    began = time.perf_counter()
    flooding = asyncio.create_task(bench.flood(creations))
    await bench.samples(seconds[LOADS[2]], lambda: not flooding.done())
    await flooding
    created = time.perf_counter() - began
    done = asyncio.create_task(_until_pods(bench, loud, creations + silent))
    await bench.samples(seconds[LOADS[2]], lambda: not done.done())
    await done
    worked_off = time.perf_counter() - began
    flood = f"{creations} creations took {created:.1f} s, all of their pods were there after {worked_off:.1f} s"
    return f"{report(seconds)}\n{silent} silent pods; {flood}"


def report(seconds: dict[str, list[float]]) -> str:
    """The table, and whether the goal is kept."""
    base = median(seconds[LOADS[0]])
    title = "from a KernelInstance to its pod"
    lines = [f"{title:36} {'n':>3} {'median':>8} {'p95':>8} {'max':>8}   later than alone: median, max"]
    for load, values in seconds.items():
        numbers = f"{median(values):8.3f} {percentile(values, 95):8.3f} {max(values):8.3f}"
        later = f"   {median(values) - base:+.3f}, {max(values) - base:+.3f} s" if load != LOADS[0] else ""
        lines.append(f"  {load:34} {len(values):3} {numbers}{later}")
    worst = max(max(values) - base for load, values in seconds.items() if load != LOADS[0])
    lines.append(goal("the slowest, later than alone", worst, GOAL_SECONDS, " s", 2))
    return "\n".join(lines)


async def _until_pods(bench: Bench, namespace: str, count: int) -> None:
    while await bench.pods(namespace) < count:  # noqa: ASYNC110 - a watch would cost the API server an event for each
        await asyncio.sleep(1)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creations", type=int, default=1000)
    parser.add_argument("--silent", type=int, default=300)
    parser.add_argument(
        "--samples", type=int, default=20, help="starts in the second namespace, for each of the first two rows"
    )
    parser.add_argument("--log", help="file for the operator's log")
    options = parser.parse_args()
    kubectl = Kubectl(program("kubectl"), Path(cluster_command("kubeconfig")))
    os.environ["KUBECONFIG"] = str(kubectl.kubeconfig)
    kubectl("apply", "-f", str(Path(__file__).parents[1] / "crds"))
    api = ApiClient(Credentials.of(kubectl.kubeconfig))
    loud, quiet = (create_namespace(api, PREFIX_OF_PROCESSES) for _ in range(2))
    log = Path(options.log or Path(tempfile.gettempdir()) / f"bench-fair-{secrets.token_hex(3)}.log")
    operator = build_operator(kubectl, loud, log, f"--watch-namespaces={loud},{quiet}", "--log-level=WARNING")
    try:
        with black_hole():
            operator.start()
            print(asyncio.run(_with_cluster(loud, quiet, options)))
    finally:
        for namespace in (loud, quiet):
            if_there(api, "DELETE", instances_path(namespace))
            if_there(api, "DELETE", path_of(namespace))
        if operator.process is not None:
            operator.stop()


async def _with_cluster(loud: str, quiet: str, options: argparse.Namespace) -> str:
    cluster = await Cluster.connect(os.environ["KUBECONFIG"])
    try:
        bench = Bench(cluster, loud, quiet)
        return await measure(bench, loud, options.creations, options.silent, options.samples)
    finally:
        await cluster.close()


if __name__ == "__main__":
    main()
