"""A kernel outlives the process that started it: another one takes it over, variables and all.

    python take_over.py start FILE       # starts a kernel, sets a variable, notes in FILE what the other needs, ends
    python take_over.py continue FILE    # takes the kernel over, prints the variable, shuts the kernel down

With JUPYTER_DEFAULT_PROVISIONER_NAME=kubernel the second one has a day, or 15 minutes in a pod, or what
KUBERNEL_ORPHAN_AFTER_SECONDS says: then the first one's Lease runs out, and the operator takes the kernel for an
orphan. A local kernel is a child of its first process and cannot be taken over.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory


async def execute(manager: AsyncKernelManager, code: str) -> None:
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    await client.execute_interactive(code, timeout=60)
    client.stop_channels()


async def start(path: Path) -> None:
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    await execute(manager, "x = 42; print('x is set')")
    # The kernel's key is in it: for the owner's eyes only.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        # The local provisioner's key is bytes, which JSON does not know.
        json.dump(await manager.provisioner.get_provisioner_info(), file, default=bytes.decode)
    if hasattr(manager.provisioner, "release"):
        manager.provisioner.release()  # else the kernel ends with this process, as a local one does


async def go_on(info: dict[str, Any]) -> None:
    manager = AsyncKernelManager(kernel_name="python3", kernel_id=info["kernel_id"])
    manager.provisioner = KernelProvisionerFactory.instance().create_provisioner_instance(
        info["kernel_id"], manager.kernel_spec, parent=manager
    )
    await manager.provisioner.load_provisioner_info(info)
    if not manager.has_kernel:
        sys.exit(f"{type(manager.provisioner).__name__} has not found a kernel to take over.")
    manager.load_connection_info(manager.provisioner.connection_info)
    await execute(manager, "print('x is still', x)")
    await manager.shutdown_kernel()


def main() -> None:
    what, path = sys.argv[1], Path(sys.argv[2])
    asyncio.run(start(path) if what == "start" else go_on(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
