"""``make bench-far``: starts through a port-forward with 300 ms to the API server, as from another continent.

Each start ends with the answer to the client's first request. The delay is that of a relay in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from arena import bench_namespace
from jupyter_kernel import JupyterKernel
from kernelspecs import install_ours
from statistics_table import table
from timeline import Timeline, recorded

from fixtures.cluster import KERNEL_IMAGE, program
from fixtures.kubectl import Kubectl

CHUNK_BYTES = 65536


@asynccontextmanager
async def relay(host: str, port: int, seconds: float) -> AsyncIterator[int]:
    """A local port that leads to another one; whatever is sent arrives so many seconds later, either way."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    writer.close()
                    return
                writer.write(data)

        sending = asyncio.create_task(send())
        try:
            while data := await reader.read(CHUNK_BYTES):
                queue.put_nowait((time.monotonic() + seconds, data))
        except ConnectionError:
            pass
        queue.put_nowait((time.monotonic() + seconds, b""))
        await sending

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # when the loop ends; its server would print it
            await asyncio.sleep(2 * seconds)  # of TCP's handshake
            there = await asyncio.open_connection(host, port)
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer), return_exceptions=True)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def measure(rounds: int, folder: Path, name: str, milliseconds: int, timeline: Timeline) -> str:
    """The report."""
    last = ""
    config = Kubectl(program("kubectl"), Path(os.environ["KUBECONFIG"])).json("config", "view", "--raw", "--minify")
    cluster = config["clusters"][0]["cluster"]
    url = urlsplit(cluster["server"])
    starts: list[float] = []
    async with relay(str(url.hostname), url.port or 443, milliseconds / 2000) as port:
        far = {**cluster, "server": f"https://127.0.0.1:{port}", "tls-server-name": url.hostname}
        config["clusters"][0]["cluster"] = far
        (folder / "kubeconfig").write_text(json.dumps(config))
        os.environ |= {"KUBERNEL_KUBECONFIG": str(folder / "kubeconfig"), "KUBERNEL_ACCESS": "port-forward"}
        for _ in range(1 + rounds):
            kernel, began = JupyterKernel(name), time.perf_counter()
            timeline.begin()
            try:
                await kernel.start()
                starts.append(time.perf_counter() - began)
                timeline.note("kernel_info is answered")
                last = timeline.table()
            finally:
                await kernel.stop()
    rows = {"first of a process": starts[:1], "every other": starts[1:]}
    report = table(f"start at {milliseconds} ms, by port-forward, seconds", rows, {})
    return f"{report}\n\nThe last one:\n\n{last}"


def main() -> None:
    """Parses the command line and prints the report."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measured starts beside the first (default 5)")
    parser.add_argument("--milliseconds", type=int, default=300, help="round trip to the API server (default 300)")
    options = parser.parse_args()
    with bench_namespace() as (namespace, _), tempfile.TemporaryDirectory() as folder:
        install_ours(Path(folder), "far", namespace, KERNEL_IMAGE, service="None")
        with recorded() as timeline:
            print(asyncio.run(measure(options.rounds, Path(folder), "far", options.milliseconds, timeline)))


if __name__ == "__main__":
    main()
