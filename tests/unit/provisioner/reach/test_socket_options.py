"""The kernel manager's sockets give up on a connection that leads nowhere."""

from typing import Any

import pytest
import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.client import KernelClient
from jupyter_client.manager import AsyncKernelManager, KernelManager

from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.reach.socket_options import OPTIONS, prepare


def options_of(context: zmq.Context) -> dict[int, int]:  # type: ignore[type-arg]
    with context.socket(zmq.DEALER) as socket:
        return {option: socket.getsockopt(option) for option in OPTIONS}


async def test_a_launch_sets_them_for_the_managers_sockets() -> None:
    manager = AsyncKernelManager(kernel_name="python3")
    try:
        provisioner = KubernetesProvisioner(parent=manager, kubeconfig="/nowhere")
        with pytest.raises(RuntimeError, match="no kubeconfig"):
            await provisioner.launch_kernel([])
        assert options_of(manager.context) == OPTIONS
    finally:
        manager.context.destroy(linger=0)


class OwnClient(BlockingKernelClient):
    """Somebody's own."""


@pytest.mark.parametrize(
    ("manager_class", "client_class"),
    [(KernelManager, BlockingKernelClient), (KernelManager, OwnClient), (AsyncKernelManager, AsyncKernelClient)],
)
def test_they_are_set_for_the_clients_that_the_manager_makes(
    manager_class: type[KernelManager], client_class: type[KernelClient]
) -> None:
    ports = dict.fromkeys(("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"), 1)
    manager: Any = manager_class(kernel_name="python3", client_factory=client_class, ip="127.0.0.1", **ports)
    for _launch in range(2):
        prepare(manager)
    client, with_theirs = manager.client(), manager.client(context=manager.context)
    try:
        assert isinstance(client, client_class)
        assert isinstance(client.context, client_class.context.klass)  # type: ignore[arg-type]
        assert client.context is not manager.context
        assert options_of(client.context) == OPTIONS
        assert with_theirs.context is manager.context
        assert zmq.IPV6 not in client.context.sockopts
        assert manager.client(ip="::1").context.sockopts[zmq.IPV6] == 1
    finally:
        manager.context.destroy(linger=0)


def test_no_manager_is_fine() -> None:
    prepare(None)
