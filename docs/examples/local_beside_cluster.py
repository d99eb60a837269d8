"""A local kernel and one on the cluster in one program: the kernelspec decides, the code does not differ.

    kubernel install --name on-kubernetes --image IMAGE
    python local_beside_cluster.py python3 on-kubernetes

As in a notebook cell, a blocking KernelManager is used inside a running event loop.
"""

import asyncio
import sys

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

WHERE = "import socket; print('hello from', socket.gethostname())"


async def start_use_stop(kernel_name: str) -> None:
    manager = KernelManager(kernel_name=kernel_name)
    manager.start_kernel()
    try:
        provisioner = manager.provisioner
        print(type(provisioner).__name__, "has_process:", provisioner.has_process, "poll:", await provisioner.poll())
        execute(manager.client(), WHERE)
    finally:
        manager.shutdown_kernel()
    print(type(provisioner).__name__, "has_process:", provisioner.has_process)


def execute(client: BlockingKernelClient, code: str) -> None:
    """Runs a cell; what it prints is printed here."""
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.execute_interactive(code, timeout=60)
    client.stop_channels()


async def main() -> None:
    for kernel_name in sys.argv[1:]:
        await start_use_stop(kernel_name)


if __name__ == "__main__":
    asyncio.run(main())
