"""The kernel manager's sockets give up on a connection that leads nowhere."""

import pytest
import zmq
from jupyter_client.manager import AsyncKernelManager

from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.reach.socket_options import OPTIONS, set_defaults


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


def test_no_context_is_fine() -> None:
    set_defaults(None)
