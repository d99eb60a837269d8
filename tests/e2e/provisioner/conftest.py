"""Kernels on the cluster, as programs that use jupyter_client start them: by two environment variables."""

import gc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kubectl import Kubectl


@pytest.fixture(autouse=True)
def _on_the_cluster(on_the_cluster: None) -> Iterator[None]:
    """Every kernelspec starts its kernels in a namespace of the test's own, which must be empty in the end."""
    yield
    with warnings.catch_warnings():
        # jupyter_core leaves the loops that it opens for the threads of blocking managers to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """kubectl in the namespace of the kernels."""
    return kubectl.within(namespace)


@pytest.fixture
async def make_manager() -> AsyncIterator[Callable[..., AsyncKernelManager]]:
    """Makes kernel managers; their kernels are shut down in the end."""
    made: list[AsyncKernelManager] = []

    def make(kind: type[AsyncKernelManager] = AsyncKernelManager, **traits: Any) -> AsyncKernelManager:
        made.append(kind(kernel_name="python3", **traits))
        return made[-1]

    yield make
    for manager in made:
        manager.stop_restarter()
        if manager.provisioner is not None:
            await manager.provisioner.cleanup(restart=False)
        manager.cleanup_connection_file()
        manager._close_control_socket()
        manager.context.destroy(linger=0)


@pytest.fixture
async def manager(make_manager: Callable[..., AsyncKernelManager]) -> AsyncKernelManager:
    """A kernel manager whose kernel runs."""
    manager = make_manager()
    await manager.start_kernel()
    return manager
