"""``kubernel logs``: what a kernel has printed outside of cells."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress

from kubernel_api.constants import KERNEL_CONTAINER
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.errors import RefusedError
from kubernel_provisioner.launch.subject import Subject

from .arguments import Commands, add_cluster, add_name, cluster_key
from .kernels import read_kernel


def add_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    """The parser."""
    logs = commands.add_parser("logs", help="print what a kernel has printed outside of cells")
    add_name(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until it ends")
    logs.add_argument("--tail", type=int, metavar="LINES", help="only the last ones")
    add_cluster(logs)
    logs.set_defaults(run=_logs)


def _logs(arguments: argparse.Namespace) -> int:
    def write(piece: bytes) -> None:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    query = {"container": KERNEL_CONTAINER, "follow": str(arguments.follow).lower()}
    if arguments.tail is not None:
        query["tailLines"] = str(arguments.tail)
    with suppress(KeyboardInterrupt):
        asyncio.run(logs(arguments.name, cluster_key(arguments), query, write))
    return 0


async def logs(name: str, key: ClusterKey, query: dict[str, str], write: Callable[[bytes], None]) -> None:
    """Passes the log of a kernel's container on.

    Args:
        name: of the KernelInstance.
        key: which cluster.
        query: of the request.
        write: takes pieces of it.

    Raises:
        KubernelError: there is no kernel of that name, its pod is gone, or its log may not be read.
    """
    api = await Api.open(key)
    try:
        pod = str(((await read_kernel(api, name)).get("status") or {}).get("podName") or "")
        more = Subject(name, api.namespace, api.key.kubectl()).kubernel("events")
        if not pod:
            raise RefusedError(f"Kernel {name} has no pod yet, and no log.", "", more)
        try:
            async for piece in api.pod_log(pod, query):
                write(piece)
        except ApiError as error:
            if error.status == 404:
                raise RefusedError(f"The pod of kernel {name} is gone, and its log with it.", "", more) from error
            if error.status == 400:  # the container has not been started
                raise RefusedError(f"Kernel {name} has no log yet.", error.message, more) from error
            raise api.explain(error, "read the kernel's log") from error
    finally:
        await api.close()
