"""(c) A KernelInstance made by hand, and a client that connects to it."""

from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient

from fixtures.connecting import connected
from fixtures.kubectl import Kubectl

from . import screen

MANIFEST = """\
apiVersion: kubernel.dev/v1beta1
kind: KernelInstance
metadata: {name: by-hand}
spec: {}
"""


def run(kubectl: Kubectl, namespace: str, folder: Path) -> None:
    """Applies, waits, connects, deletes."""
    here = kubectl.within(namespace)
    screen.command("kubectl apply -f - <<YAML")
    screen.show(f"{MANIFEST}YAML")
    screen.show(here("apply", "--filename=-", stdin=MANIFEST).stdout)
    for arguments in (
        ["wait", "--for=condition=Ready", "kernel/by-hand", "--timeout=60s"],
        ["get", "kernels"],
    ):
        screen.command(f"kubectl {' '.join(arguments)}")
        screen.show(here.text(*arguments))
    connect(namespace, folder / "by-hand.json")
    screen.command("kubectl delete kernel by-hand")
    screen.show(here.text("delete", "kernel", "by-hand"))


def connect(namespace: str, file: Path) -> None:
    """Writes a connection file with ``kubernel connect`` and asks the kernel for something."""
    screen.command("kubernel connect by-hand")
    with connected("by-hand", f"--namespace={namespace}", file=file) as said:
        screen.show(said)
        ask(file)


def ask(file: Path) -> None:
    """A client with the connection file."""
    client = BlockingKernelClient()
    client.load_connection_file(str(file))
    client.start_channels()
    try:
        client.wait_for_ready(timeout=30)
        reply = client.execute("", user_expressions={"answer": "6 * 7"}, reply=True, timeout=30)
        screen.cell("6 * 7", reply["content"]["user_expressions"]["answer"]["data"]["text/plain"])
    finally:
        client.stop_channels()
