"""``make bench-reattach``: a Jupyter server is killed, and the next one takes up its kernels.

The goal: every kernel answers a cell 1.5 s after the start of a server that has none would have been done; no new pod.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import kernelspecs
from arena import bench_namespace
from goals import goal
from notebook_server import start_server
from statistics_table import table

from fixtures.cluster import KERNEL_IMAGE, program
from fixtures.host_server import HostServer
from fixtures.journey_notebook import said
from fixtures.kubectl import Kubectl

SPEC = "bench-reattach"
GOAL_SECONDS = 1.5
EMPTY, LISTED, ANSWERED = "server without kernels answers", "server lists its kernels", "all kernels have answered"


def start_kernel(server: HostServer, number: int) -> dict[str, Any]:
    """A notebook with a variable; its session."""
    path = f"{number}.ipynb"
    body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": SPEC}}
    session: dict[str, Any] = server.request("POST", "/sessions", body)
    value(server, session["kernel"]["id"], f"x = {number}")
    return session


def value(server: HostServer, kernel_id: str, code: str) -> str:
    """What a cell prints."""
    with server.kernel(kernel_id) as socket:
        return said(list(socket.outputs(socket.execute(code))))


def timed(start: Callable[[], HostServer]) -> tuple[HostServer, float]:
    """A server that answers, and when its start began."""
    began = time.perf_counter()
    return start(), began


def measure(rounds: int, count: int, folder: Path, kubectl: Kubectl) -> dict[str, list[float]]:
    """Seconds of each round."""
    results: dict[str, list[float]] = {EMPTY: [], LISTED: [], ANSWERED: []}
    owner = {"KUBERNEL_OWNER": "bench"}
    server = start_server(folder, extension=True, env=owner)
    with ThreadPoolExecutor(count) as threads:
        sessions = list(threads.map(lambda number: start_kernel(server, number), range(count)))
        kernels = [session["kernel"]["id"] for session in sessions]
        before = pods(kubectl)
        for turn in range(rounds):
            server.stop(signal.SIGKILL)
            nobody, began = timed(lambda: start_server(folder, extension=True, env={"KUBERNEL_OWNER": "nobody"}))
            nobody.request("GET", "/kernels")
            results[EMPTY].append(time.perf_counter() - began)
            nobody.stop(signal.SIGKILL)
            server, began = timed(lambda: start_server(folder, extension=True, env=owner))
            found = {kernel["id"] for kernel in server.request("GET", "/kernels")}
            results[LISTED].append(time.perf_counter() - began)
            values = list(threads.map(partial(value, server, code="print(x)"), kernels))
            results[ANSWERED].append(time.perf_counter() - began)
            if found != set(kernels) or values != [f"{number}\n" for number in range(count)]:
                raise RuntimeError(f"not all kernels are there, with their variables: {values}")
            print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
        new = pods(kubectl) - before
        print(goal("new pods", len(new), 0))
        server.stop(signal.SIGTERM)
    return results


def pods(kubectl: Kubectl) -> set[str]:
    """The uids of all pods there."""
    return {pod["metadata"]["uid"] for pod in kubectl.items("pods")}


def main() -> None:
    """Parses the command line and prints the report."""
    parser = argparse.ArgumentParser(prog="bench-reattach", description="A killed server's kernels.")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (default 5)")
    parser.add_argument("--kernels", type=int, default=20, help="kernels of the server (default 20)")
    options = parser.parse_args()
    with bench_namespace() as (namespace, _), tempfile.TemporaryDirectory() as scratch:
        kernelspecs.install_ours(Path(scratch), SPEC, namespace, KERNEL_IMAGE, service="ClusterIP")
        kubectl = Kubectl(program("kubectl"), Path(os.environ["KUBECONFIG"]), namespace)
        results = measure(options.rounds, options.kernels, Path(scratch), kubectl)
    print(table(f"{options.kernels} kernels, seconds", results, {LISTED: EMPTY, ANSWERED: EMPTY}))
    more = [after - before for after, before in zip(results[ANSWERED], results[EMPTY], strict=True)]
    print(goal("after the server's own start, median", sorted(more)[len(more) // 2], GOAL_SECONDS, " s", 2))


if __name__ == "__main__":
    main()
