"""A server's kernel manager whose kernels wait for room until a test says what becomes of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from fixtures.waiting import until
from kubernel_jupyter.kernels import KubernelKernelManager
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.errors import KernelDeletedError


class Pending(KubernetesProvisioner):
    """Waits for room, for ever, or fails as it is told."""

    starts: list["Pending"]

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        return {"cmd": []}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.starts.append(self)
        await self.outcome
        self._has_process = True
        self.parent.write_connection_file()
        return self.parent.get_connection_info()

    async def poll(self) -> int | None:
        return None if self._has_process else 0

    async def cleanup(self, restart: bool = False) -> None:
        if not restart and not self.outcome.done():
            self.outcome.set_exception(KernelDeletedError("shut down while it started"))

    async def kill(self, restart: bool = False) -> None:
        self._has_process = False

    async def wait(self) -> int:
        self._has_process = False
        return 0


class Refusing(LocalProvisioner):
    """Another provisioner, whose kernels do not start."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        raise RuntimeError("no such program")


@pytest.fixture
async def kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[KubernelKernelManager]:
    KernelProvisionerFactory.clear_instance()
    monkeypatch.setattr(Pending, "starts", [], raising=False)
    entries = {"kubernel": Pending, "other": Refusing}
    found = [SimpleNamespace(name=name, load=lambda name=name: entries[name]) for name in entries]
    monkeypatch.setattr(KernelProvisionerFactory, "provisioners", {})  # of the class: all instances fill it
    monkeypatch.setattr(KernelProvisionerFactory, "_get_all_provisioners", staticmethod(lambda: found))

    def spec(_: Any, name: str) -> KernelSpec:
        metadata = {"kernel_provisioner": {"provisioner_name": name, "config": {}}}
        return KernelSpec(argv=["x"], interrupt_mode="message", metadata=metadata)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", spec)
    manager = KubernelKernelManager(
        root_dir=str(tmp_path), connection_dir=str(tmp_path), kernel_spec_manager=KernelSpecManager()
    )
    yield manager
    await manager.shutdown_all()
    manager.context.destroy(linger=0)
    KernelProvisionerFactory.clear_instance()


async def started(kernels: KubernelKernelManager, number: int = 1) -> str:
    kernel_id = await kernels.start_kernel(kernel_name="kubernel")
    await until("a start", lambda: len(Pending.starts) == number)
    return kernel_id
