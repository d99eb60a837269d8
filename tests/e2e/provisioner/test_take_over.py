"""A kernel outlives the process that started it, when another one takes it over."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until
from kubernel_provisioner import KubernetesProvisioner

# Starts a kernel, sets a variable in it, tells how to take it over, and is killed.
STARTER = """
import asyncio, json, os, signal
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="python3")
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
client.execute_interactive("x = 42", timeout=60)
print(json.dumps(asyncio.run(manager.provisioner.get_provisioner_info())), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def start_and_die() -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", STARTER], env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    return dict(json.loads(done.stdout))


def ask(info: dict[str, object], code: str) -> str:
    client = BlockingKernelClient()
    client.load_connection_info(info)
    client.start_channels(hb=False)  # an echo that takes longer than 1 s would be a kernel's death to it
    client.wait_for_ready(timeout=60)
    printed: list[str] = []
    client.execute_interactive(
        code,
        timeout=60,
        output_hook=lambda m: printed.append(m["content"]["text"]) if m["msg_type"] == "stream" else None,
    )
    client.stop_channels()
    client.context.destroy(linger=0)
    return "".join(printed)


@pytest.mark.parametrize("access", ["direct", "port-forward"])
async def test_take_over(
    monkeypatch: pytest.MonkeyPatch, kubectl: Kubectl, namespace: str, access: str, request: pytest.FixtureRequest
) -> None:
    if access == "direct":
        request.getfixturevalue("pod_network")
    monkeypatch.setenv("KUBERNEL_ACCESS", access)
    info = start_and_die()
    provisioner = KubernetesProvisioner()
    await provisioner.load_provisioner_info(info)
    try:
        assert (provisioner.has_process, await provisioner.poll()) == (True, None)
        assert provisioner.connection_info["key"] == info["connection_info"]["key"].encode()  # type: ignore[index]
        (kernel,) = kubectl.within(namespace).items("kernels")
        leases = [lease["metadata"]["name"] for lease in kubectl.within(namespace).items("leases")]
        assert kernel["spec"]["lifecycle"]["leaseName"] in leases
        assert await asyncio.to_thread(ask, dict(provisioner.connection_info), "print(x)") == "42\n"
        await provisioner.send_signal(9)
        assert await provisioner.wait() == -9
        launch = await provisioner.pre_launch()
        before = dict(provisioner.connection_info)
        assert await provisioner.launch_kernel(launch.pop("cmd"), **launch) == before
    finally:
        await provisioner.cleanup()


async def test_a_kernel_that_is_gone_cannot_be_taken_over(kubectl: Kubectl, namespace: str) -> None:
    info = start_and_die()
    here = kubectl.within(namespace)
    here("delete", "kernels", "--all", "--wait=false")
    wait_until("no kernels", lambda: not here.items("kernels"), seconds=30)
    provisioner = KubernetesProvisioner()
    await provisioner.load_provisioner_info(info)
    assert await provisioner.poll() == -9
    await provisioner.cleanup()
