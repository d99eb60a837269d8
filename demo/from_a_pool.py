"""(e) A pool of three, and three notebooks that start at once, each with an environment of its own."""

import time
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from fixtures.cluster import KERNEL_IMAGE
from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from . import screen
from .programs import run_kernel_command

KERNEL_NAME = "demo-science"
# `kubernel install` requests half of the limit unless it is told another; a pool fits if it requests the same.
MEMORY, REQUEST = "600Mi", "300Mi"
PEOPLE = ("ada", "grace", "emmy")
CELL = "import os; print(os.environ['KERNEL_WHO'])"
POOL = f"""\
apiVersion: kubernel.dev/v1beta1
kind: KernelPool
metadata: {{name: science}}
spec:
  image: {KERNEL_IMAGE}
  resources: {{limits: {{memory: {MEMORY}}}, requests: {{memory: {REQUEST}}}}}
  replicas: {len(PEOPLE)}
"""


def run(kubectl: Kubectl, namespace: str, folder: Path) -> None:
    """Fills a pool, starts a kernel for each person, and shows where they came from."""
    here = kubectl.within(namespace)
    options = ["--image", KERNEL_IMAGE, "--memory", MEMORY, "--namespace", namespace]
    run_kernel_command("install", "--name", KERNEL_NAME, *options, hidden=("--prefix", str(folder)))
    screen.command("kubectl apply -f - <<YAML")
    screen.show(f"{POOL}YAML")
    screen.show(here("apply", "--filename=-", stdin=POOL).stdout)
    wait_until("three members", lambda: waiting(here) == len(PEOPLE), seconds=120)
    screen.command("kubectl get kernelpools")
    screen.show(here.text("get", "kernelpools"))
    managers = [KernelManager(kernel_name=KERNEL_NAME) for _ in PEOPLE]
    try:
        for who, manager in zip(PEOPLE, managers, strict=True):
            start(who, manager)
        columns = "custom-columns=NAME:.metadata.name,START:.status.start.type,POD:.status.podName"
        screen.command(f"kubectl get kernels --output={columns}")
        screen.show(here.text("get", "kernels", f"--output={columns}"))
    finally:
        for manager in managers:
            if manager.has_kernel:
                manager.shutdown_kernel(now=True)
        here("delete", "kernelpool", "science")


def waiting(here: Kubectl) -> int:
    """How many members of the pool wait."""
    status = here.json("get", "kernelpool", "science").get("status") or {}
    return int(status.get("readyReplicas") or 0)


def start(who: str, manager: KernelManager) -> None:
    """Starts somebody's kernel and prints how long it took until the first cell had run."""
    began = time.monotonic()
    manager.start_kernel(env={"KERNEL_WHO": who})
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        said: list[str] = []
        client.execute_interactive(CELL, timeout=60, output_hook=lambda m: said.append(m["content"].get("text", "")))
        screen.cell(CELL, f"{''.join(said).strip()}, {time.monotonic() - began:.2f} s after the start")
    finally:
        client.stop_channels()
