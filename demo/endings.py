"""(d) Kernels that die, and how their death is told."""

from jupyter_client.manager import KernelManager
from jupyter_core.utils import run_sync

from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from . import screen

ENDINGS = {
    "a kernel that ends by itself": "import os; os._exit(42)",
    "a kernel that wants more memory than it may have": "everything = b'x' * (8 * 1024**3)",
}


def run(kernel_name: str, kubectl: Kubectl, namespace: str) -> None:
    """Starts a kernel for each ending and shows what is seen of it."""
    for what, code in ENDINGS.items():
        screen.note(what)
        manager = KernelManager(kernel_name=kernel_name)
        manager.start_kernel()
        try:
            die(manager, code)
            screen.command("kubectl get kernels -o wide")
            screen.show(kubectl.within(namespace).text("get", "kernels", "--output=wide"))
        finally:
            manager.shutdown_kernel(now=True)


def die(manager: KernelManager, code: str) -> None:
    """Runs the cell that the kernel does not survive, and prints what ``poll()`` says then."""
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=30)
    client.execute(code)
    wait_until("the end of the kernel", lambda: not manager.is_alive(), seconds=30)
    client.stop_channels()
    assert manager.provisioner is not None
    poll = run_sync(manager.provisioner.poll)
    screen.cell(code, f"poll() returned {poll()}")
