"""(b) A notebook-server pod starts kernels with no more rights than that takes; we are its browser."""

import time

from fixtures.journey_notebook import SOURCES, said
from fixtures.jupyter_server import ACCOUNT, JupyterServer, KernelSocket, running_server
from fixtures.kubectl import Kubectl, Object

from . import screen


def run(kubectl: Kubectl, namespace: str) -> None:
    """Starts the server, opens a notebook over REST, runs its cells over the websocket."""
    screen.note("a pod with jupyter_server and the provisioner, its ServiceAccount bound to the chart's client Role")
    with running_server(kubectl, namespace) as server:
        show_rights(kubectl, namespace)
        began = time.monotonic()
        session = server.start_session()
        kernel_id = session["kernel"]["id"]
        screen.command("POST /api/sessions")
        screen.note(f"answered after {time.monotonic() - began:.2f} s: kernel {kernel_id}")
        with server.kernel(kernel_id) as socket:
            socket.until_answered()
            screen.command("kubectl get kernels")
            screen.show(kubectl.within(namespace).text("get", "kernels"))
            for name, source in SOURCES.items():
                screen.cell(source, run_cell(server, socket, kernel_id, name))
        screen.command(f"DELETE /api/sessions/{session['id']}")
        server.request("DELETE", f"/sessions/{session['id']}")


def run_cell(server: JupyterServer, socket: KernelSocket, kernel_id: str, name: str) -> str:
    """Runs a cell and returns what it said; the loop is interrupted as soon as it counts."""
    message_id = socket.execute(SOURCES[name])
    outputs: list[Object] = []
    for output in socket.outputs(message_id):
        if name == "loop" and not outputs:
            server.request("POST", f"/kernels/{kernel_id}/interrupt")
        outputs.append(output)
    return said(outputs)


def show_rights(kubectl: Kubectl, namespace: str) -> None:
    """Prints what the server's account may do, without what everybody may."""
    account = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    listing = kubectl.within(namespace).text("auth", "can-i", "--list", f"--as={account}").splitlines()
    screen.command(f"kubectl auth can-i --list --as={account}")
    everybody = ("selfsubject", "[/")
    screen.show("\n".join(line for line in listing if not any(word in line for word in everybody)))
