"""A provisioner class of your own, for local kernels and for kernels on the cluster, assigned by hand.

``MembersOnly`` is what jupyter_client's documentation calls RBACProvisioner: it looks at who starts a kernel and in
which role, and refuses or lets pass. Mixed into either provisioner, it is the same few lines.
"""

import asyncio
import getpass
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerBase, LocalProvisioner
from traitlets import Dict, Unicode

from kubernel_provisioner import KubernetesProvisioner

ROLE = "import os; print('in the kernel the role is', os.environ['KERNEL_ROLE'])"


class MembersOnly(KernelProvisionerBase):
    """Starts kernels for members of a role only, and tells the kernel which."""

    role = Unicode("data_scientist").tag(config=True)
    members = Dict({"data_scientist": [getpass.getuser()]}).tag(config=True)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        if getpass.getuser() not in self.members.get(self.role, []):
            raise PermissionError(
                f"{getpass.getuser()} is not in role {self.role}, so {self.kernel_id} is not started."
            )
        kwargs = await super().pre_launch(**kwargs)  # from here on kwargs["env"] is the kernel's, KERNEL_* included
        kwargs["env"]["KERNEL_ROLE"] = self.role
        return kwargs


class LocalMembersOnly(MembersOnly, LocalProvisioner):
    """For kernels on this machine."""


class ClusterMembersOnly(MembersOnly, KubernetesProvisioner):
    """For kernels on the cluster."""


async def start_with(manager: AsyncKernelManager) -> None:
    """Starts the manager's kernel with the provisioner that it was given."""
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    await client.execute_interactive(ROLE, timeout=60)
    client.stop_channels()
    await manager.shutdown_kernel()


async def main() -> None:
    manager = AsyncKernelManager()
    # The local provisioner has to be told its kernelspec ...
    manager.provisioner = LocalMembersOnly(kernel_spec=manager.kernel_spec, parent=manager)
    await start_with(manager)

    manager = AsyncKernelManager()
    # ... the one for the cluster asks its parent.
    manager.provisioner = ClusterMembersOnly(parent=manager)
    await start_with(manager)

    manager = AsyncKernelManager()
    manager.provisioner = ClusterMembersOnly(parent=manager, kernel_id="k-1", role="admin")
    try:
        await manager.start_kernel()
    except PermissionError as error:
        print("refused:", error)


if __name__ == "__main__":
    asyncio.run(main())
