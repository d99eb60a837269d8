"""``make demo``: notebooks in pods, from four sides, and what is left over in the end: nothing.

Needs the cluster and the images; ``make demo`` sees to both.
"""

import os
import secrets
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from fixtures.cluster import KERNEL_IMAGE, REPO, cluster_command, program
from fixtures.kubectl import Kubectl
from fixtures.namespaces import find_leftovers, restricted_namespace
from fixtures.operator_release import NAMESPACE, helm_command, install, is_installed, made_from
from fixtures.waiting import wait_until

from . import endings, from_host, from_server_pod, screen, with_kubectl

KERNEL_NAME = "demo"
MEMORY = "300Mi"


def main() -> int:
    """The demo; 0 when nothing is left over."""
    kubectl = Kubectl(program("kubectl"), Path(cluster_command("kubeconfig")))
    os.environ["KUBECONFIG"] = str(kubectl.kubeconfig)
    with tempfile.TemporaryDirectory(prefix="kubernel-demo-") as folder:
        namespace = f"demo-{secrets.token_hex(3)}"
        prepare(kubectl, namespace, Path(folder))
        try:
            play(kubectl, namespace, Path(folder))
            return show_leftovers(kubectl, namespace)
        finally:
            kubectl("delete", "namespace", namespace, "--wait=false")


def prepare(kubectl: Kubectl, namespace: str, folder: Path) -> None:
    """The operator, a namespace and a kernelspec."""
    screen.heading("Install: the operator with Helm, a kernelspec with kubernel")
    install_operator(kubectl)
    kubectl.apply(restricted_namespace(namespace))
    options = [
        "--display-name",
        "Demo (Kubernetes)",
        "--image",
        KERNEL_IMAGE,
        "--memory",
        MEMORY,
        "--namespace",
        namespace,
    ]
    command = ["kubernel", "install", "--name", KERNEL_NAME, *options]
    screen.command(shlex.join(command))
    installer = [str(Path(sys.executable).with_name(command[0])), *command[1:], "--prefix", str(folder)]
    screen.show(subprocess.run(installer, capture_output=True, text=True, check=True).stdout)
    os.environ["JUPYTER_PATH"] = str(folder / "share" / "jupyter")


def install_operator(kubectl: Kubectl) -> None:
    """Installs the chart, unless the very same is running already."""
    digest = made_from()
    command = [part.replace(f"{REPO}/", "") for part in helm_command(kubectl, digest)]
    if is_installed(kubectl, digest):
        screen.note(f"the operator of this checkout is in namespace {NAMESPACE} already")
    else:
        screen.command(" ".join(["helm", *command[1:4], f"--namespace={NAMESPACE}", "--install", "--wait", "..."]))
        install(kubectl, digest)
    screen.command(f"kubectl -n {NAMESPACE} get deployments")
    screen.show(kubectl.within(NAMESPACE).text("get", "deployments"))


def play(kubectl: Kubectl, namespace: str, folder: Path) -> None:
    """The four parts."""
    screen.heading("(a) A notebook, run by nbclient on this machine")
    from_host.run(KERNEL_NAME)
    screen.heading("(b) The same from a notebook-server pod, over its REST and websocket API")
    from_server_pod.run(kubectl, namespace)
    screen.heading("(c) A kernel by hand: kubectl apply, wait, connect")
    with_kubectl.run(kubectl, namespace, folder)
    screen.heading("(d) Kernels that die, and how they are mourned")
    endings.run(KERNEL_NAME, kubectl, namespace)


def show_leftovers(kubectl: Kubectl, namespace: str) -> int:
    """Prints what of ours is still there once everything had its time to go."""
    screen.heading("What is left over")
    screen.command("kubectl get kernels,pods,services,secrets -l app.kubernetes.io/managed-by=kubernel")
    try:
        wait_until("an empty namespace", lambda: not find_leftovers(kubectl, namespace), seconds=30)
    except TimeoutError:
        screen.show("\n".join(find_leftovers(kubectl, namespace)))
        return 1
    screen.show("No resources found. Nothing is left over.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
