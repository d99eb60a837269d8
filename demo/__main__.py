"""``make demo``: notebooks in pods, from four sides, and what is left over in the end: nothing.

Needs the cluster and the images; ``make demo`` sees to both.
"""

import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fixtures.api_client import ApiClient, Credentials
from fixtures.cluster import KERNEL_IMAGE, cluster_command, program
from fixtures.kubectl import Kubectl
from fixtures.namespaces import find_leftovers, restricted_namespace
from fixtures.operator_release import NAMESPACE, install, is_installed, made_from
from fixtures.reach import choose_access
from fixtures.waiting import wait_until

from . import endings, from_a_pool, from_host, from_server_pod, screen, with_kubectl
from .programs import run_kernel_command

KERNEL_NAME = "demo"
MEMORY = "300Mi"


def main() -> int:
    """The demo; 0 when nothing is left over."""
    kubectl = Kubectl(program("kubectl"), Path(cluster_command("kubeconfig")))
    os.environ["KUBECONFIG"] = str(kubectl.kubeconfig)
    choose_access(kubectl.kubeconfig)
    with tempfile.TemporaryDirectory(prefix="kubernel-demo-") as folder, a_namespace(kubectl) as namespace:
        prepare(kubectl, namespace, Path(folder))
        play(kubectl, namespace, Path(folder))
        return show_leftovers(ApiClient(Credentials.of(kubectl.kubeconfig)), namespace)


@contextlib.contextmanager
def a_namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for the time of the demo."""
    name = f"demo-{secrets.token_hex(3)}"
    kubectl.apply(restricted_namespace(name))
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def prepare(kubectl: Kubectl, namespace: str, folder: Path) -> None:
    """The operator, and a kernelspec."""
    screen.heading("Install: the operator with Helm, a kernelspec with kubernel")
    install_operator(kubectl)
    options = ["--image", KERNEL_IMAGE, "--memory", MEMORY, "--namespace", namespace]
    run_kernel_command("install", "--name", KERNEL_NAME, *options, hidden=("--prefix", str(folder)))
    os.environ["JUPYTER_PATH"] = str(folder / "share" / "jupyter")


def install_operator(kubectl: Kubectl) -> None:
    """Installs the chart, unless the very same is running already."""
    digest = made_from()
    if is_installed(kubectl, digest):
        screen.note(f"the operator of this checkout is in namespace {NAMESPACE} already")
    else:
        screen.command(f"helm upgrade --install kubernel helm/kubernel --namespace={NAMESPACE} --wait --values=...")
        install(kubectl, digest)
    screen.command(f"kubectl -n {NAMESPACE} get deployments")
    screen.show(kubectl.within(NAMESPACE).text("get", "deployments"))


def play(kubectl: Kubectl, namespace: str, folder: Path) -> None:
    """The five parts."""
    screen.heading("(a) A notebook, run by nbclient on this machine")
    from_host.run(KERNEL_NAME)
    screen.heading("(b) The same from a notebook-server pod, over its REST and websocket API")
    from_server_pod.run(kubectl, namespace)
    screen.heading("(c) A kernel by hand: kubectl apply, wait, connect")
    with_kubectl.run(kubectl, namespace, folder)
    screen.heading("(d) Kernels that die, and what is told of their end")
    endings.run(KERNEL_NAME, kubectl, namespace)
    screen.heading("(e) A pool of three, and three notebooks that start at once")
    from_a_pool.run(kubectl, namespace, folder)


def show_leftovers(api: ApiClient, namespace: str) -> int:
    """Prints what of ours is still there once everything had its time to go."""
    screen.heading("What is left over")
    screen.command("kubectl get kernels; kubectl get pods,services,secrets -l app.kubernetes.io/managed-by=kubernel")
    try:
        wait_until("an empty namespace", lambda: not find_leftovers(api, namespace), seconds=30)
    except TimeoutError:
        screen.show("\n".join(find_leftovers(api, namespace)))
        return 1
    screen.show("No resources found. Nothing is left over.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
