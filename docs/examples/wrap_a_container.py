"""A provisioner that wraps the kernel in something: a command on this machine, or a container on the cluster.

Wrapping a local kernel means to put a command before its argv. That is enough while the kernel stays on this machine
and reads the connection file that jupyter_client wrote here, so ``nice``, ``systemd-run`` and ``taskset`` work like
this. Of ``docker run`` README.md says what it takes beyond the prefix.

On the cluster the wrapping is the container's description.
"""

import asyncio
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import List, Unicode

from kubernel_provisioner import KubernetesProvisioner

ABOUT = "import os, socket; print('niceness', os.nice(0), 'uid', os.getuid(), 'on', socket.gethostname())"


class WrappingProvisioner(LocalProvisioner):
    """A local kernel behind a prefix."""

    prefix = List(Unicode(), ["nice", "-n", "5"]).tag(config=True)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        kwargs = await super().pre_launch(**kwargs)
        return {**kwargs, "cmd": [*self.prefix, *kwargs["cmd"]]}


async def ask(manager: AsyncKernelManager) -> None:
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    await client.execute_interactive(ABOUT, timeout=60)
    client.stop_channels()
    await manager.shutdown_kernel()


async def main() -> None:
    manager = AsyncKernelManager()
    manager.provisioner = WrappingProvisioner(kernel_spec=manager.kernel_spec, parent=manager)
    await ask(manager)

    manager = AsyncKernelManager()
    manager.provisioner = KubernetesProvisioner(parent=manager, memory="300Mi", cpu="500m")
    await ask(manager)


if __name__ == "__main__":
    asyncio.run(main())
