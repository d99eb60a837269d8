"""A provisioner's operations, called directly: the same for a local kernel and for one on the cluster.

python async_operations.py
JUPYTER_DEFAULT_PROVISIONER_NAME=kubernel python async_operations.py
"""

import asyncio

from jupyter_client.manager import AsyncKernelManager


async def main() -> None:
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    provisioner = manager.provisioner
    print("provisioner:", type(provisioner).__name__)
    print("poll:", await provisioner.poll(), "has_process:", provisioner.has_process)

    info = await provisioner.get_provisioner_info()
    print("info:", ", ".join(sorted(info)))

    await provisioner.terminate()
    print("wait:", await provisioner.wait(), "has_process:", provisioner.has_process)
    await provisioner.cleanup()

    # The manager agrees that there is nothing left to do.
    await manager.shutdown_kernel()
    print("alive:", await manager.is_alive())


if __name__ == "__main__":
    asyncio.run(main())
