"""Which provisioners there are, and how the factory makes one from a kernelspec.

The second kernelspec is the first plus what ``kubernel install`` writes: a ``kernel_provisioner`` stanza.
"""

import asyncio
import copy

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

SUM = "print('6 * 7 =', 6 * 7)"


def on_the_cluster(spec: KernelSpec) -> KernelSpec:
    """The kernelspec with a stanza that sends its kernels to the cluster."""
    spec = copy.deepcopy(spec)
    spec.metadata["kernel_provisioner"] = {"provisioner_name": "kubernel", "config": {"memory": "256Mi"}}
    return spec


async def run_with_manager(factory: KernelProvisionerFactory, spec: KernelSpec) -> None:
    """A local kernel gets its ports and its connection file from a manager."""
    manager = AsyncKernelManager()
    manager.provisioner = factory.create_provisioner_instance("by-hand", spec, parent=manager)
    await manager.start_kernel()
    await execute(manager.client())
    await manager.shutdown_kernel()


async def run_alone(factory: KernelProvisionerFactory, spec: KernelSpec) -> None:
    """A kernel on the cluster needs no manager: a launch returns all that a client needs."""
    provisioner = factory.create_provisioner_instance("by-hand", spec, parent=None)
    launch = await provisioner.pre_launch()
    info = await provisioner.launch_kernel(launch.pop("cmd"), **launch)
    try:
        client = AsyncKernelClient()
        client.load_connection_info(info)
        await execute(client)
    finally:
        await provisioner.cleanup()


async def execute(client: AsyncKernelClient) -> None:
    client.start_channels(hb=False)  # a client without a manager takes a busy kernel that misses a heartbeat for dead
    await client.wait_for_ready(timeout=60)
    await client.execute_interactive(SUM, timeout=60)
    client.stop_channels()


async def main() -> None:
    factory = KernelProvisionerFactory.instance()
    for name, where in sorted(factory.get_provisioner_entries().items()):
        print(f"{name} = {where}")

    local = KernelSpecManager().get_kernel_spec("python3")
    remote = on_the_cluster(local)
    for spec in (local, remote):
        assert factory.is_provisioner_available(spec)
        created = factory.create_provisioner_instance("some-id", spec, parent=None)
        print("created:", type(created).__name__, "for", created.kernel_id)

    await run_with_manager(factory, local)
    await run_alone(factory, remote)


if __name__ == "__main__":
    asyncio.run(main())
