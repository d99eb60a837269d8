"""A network that swallows packets for longer than anybody waits, and works again: a VPN that was away, a tunnel.

The client is a process in a network of its own, so that what it sends to the API server and to its kernels vanishes
alike, and no connection is reset. Ten minutes take seconds: time-outs are a tenth of what they are, or, with
KUBERNEL_TEST_AWAY_SECONDS=600, what they are.
"""

from __future__ import annotations

import faulthandler
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.agent import agent
from fixtures.far_network import SERVICE, FarNetwork, far_network, is_possible
from fixtures.kubectl import Kubectl
from fixtures.operator_process import OperatorProcess
from fixtures.programs import Environment
from fixtures.waiting import wait_until
from kubernel_provisioner.cluster.lease import IN_A_POD_SECONDS

AWAY_SECONDS = float(os.environ.get("KUBERNEL_TEST_AWAY_SECONDS", "0"))
SECONDS = 90.0 + AWAY_SECONDS
SHORTER = """
from kubernel_cluster import follow, pool
from kubernel_provisioner.cluster import api, lease
from kubernel_provisioner.reach import socket_options
import zmq
follow.SILENCE_SECONDS = 10.0
pool.KEEPALIVE = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 2_000}
api.HEARTBEAT_SECONDS = 1.0
lease.RENEW_SECONDS = 1.5
socket_options.OPTIONS = {
    zmq.CONNECT_TIMEOUT: 500, zmq.TCP_MAXRT: 12_000,
    zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 6, zmq.TCP_KEEPALIVE_INTVL: 2, zmq.TCP_KEEPALIVE_CNT: 3,
}
"""
START = """
from jupyter_client.manager import AsyncKernelManager
from fixtures.kernel_managers import begin, reply_to, run
async def start():
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    client = manager.client(context=manager.context)  # as jupyter_server's are
    client.start_channels()
    await client.wait_for_ready(timeout=90)
    return manager, client
manager, client = await start()
other, other_client = await start()
await run(client, "x = 4711")
answer = (await other.provisioner.get_provisioner_info())["instance"]["name"]
"""
# The channels connect again one by one, and what is printed while the one for output is not connected is lost.
UNTIL_ANSWERED = """
import asyncio
while answer is None:
    try:
        async with asyncio.timeout(5):
            answer = await run(client, "print(x)")
    except TimeoutError:
        pass
"""
INTERRUPT = """
cell = await begin(client, "print('busy', flush=True); __import__('time').sleep(600)")
await manager.interrupt_kernel()
answer = (await reply_to(client, cell))["ename"]
"""
RESTART = """
await manager.restart_kernel()
await client.wait_for_ready(timeout=90)
answer = await run(client, "print(x)")
"""


@pytest.fixture
def here(kubectl: Kubectl, operator_namespace: str) -> Kubectl:
    return kubectl.within(operator_namespace)


@pytest.fixture
def cluster_environment(
    operator_process: Callable[..., OperatorProcess],
    here: Kubectl,
    leftovers: Callable[[str], list[str]],
    tmp_path: Path,
) -> Iterator[Environment]:
    """The client's: it finds the API server where a pod would."""
    namespace = here.namespace or ""
    operator_process(namespace)
    config = here.json("config", "view", "--raw", "--minify")
    config["clusters"][0]["cluster"].update({"server": SERVICE, "tls-server-name": "kubernetes"})
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    yield {
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "kubernel",
        "KUBERNEL_KUBECONFIG": str(kubeconfig),
        "KUBERNEL_NAMESPACE": namespace,
        "KUBERNEL_ORPHAN_AFTER_SECONDS": str(IN_A_POD_SECONDS),
    }
    wait_until(f"nothing left in {namespace}", lambda: leftovers(namespace) == [], seconds=90)


@pytest.fixture
def network(pod_network: None) -> Iterator[FarNetwork]:
    if not is_possible():
        pytest.skip("a network of its own is made on the native cluster's bridge, by root")
    with far_network() as network:
        yield network


@pytest.mark.timeout(400 + 4 * AWAY_SECONDS)
@pytest.mark.parametrize("access", ["direct", "port-forward"])
def test_packets_are_swallowed(
    cluster_environment: Environment,
    program_environment: Environment,
    network: FarNetwork,
    here: Kubectl,
    tmp_path: Path,
    access: str,
) -> None:
    def renewed() -> str:
        (lease,) = (each for each in here.items("leases") if each["metadata"]["name"].startswith("kubernel-server-"))
        return str(lease["spec"]["renewTime"])

    if AWAY_SECONDS:
        faulthandler.cancel_dump_traceback_later()  # pytest's last resort ends any test after 400 s
    environment = {**program_environment, **cluster_environment, "KUBERNEL_ACCESS": access}
    log = tmp_path / "client"
    with agent(environment, log, network.command()) as client:
        client.do("" if AWAY_SECONDS else SHORTER)
        other = client.do(START)
        pods = {pod["metadata"]["uid"] for pod in here.items("pods")}

        # Away for longer than any time-out.
        network.lose()
        lost, began = network.connections(), time.monotonic()
        assert lost
        here("delete", "kernel", other, "--wait=false")
        is_enough = lambda: time.monotonic() - began > AWAY_SECONDS and not lost & network.connections()  # noqa: E731
        wait_until("connections that are given up", is_enough, seconds=SECONDS)
        assert client.do("answer = [await m.is_alive() for m in (manager, other)]") == [True, True]
        before, away = renewed(), time.monotonic() - began

        # And back: whoever waits for a minute more has waited too long.
        network.find()
        found = time.monotonic()
        wait_until("the Lease to be renewed", lambda: renewed() != before, seconds=60)
        lease = time.monotonic() - found
        wait_until("news of the other kernel", lambda: not client.do("answer = await other.is_alive()"), seconds=60)
        view = time.monotonic() - found
        assert client.do(UNTIL_ANSWERED) == "4711\n"
        print(f"{access}: away {away:.0f} s; Lease {lease:.1f}, view {view:.1f}, ", end="")
        print(f"cell {time.monotonic() - found:.1f} s after it")
        assert client.do(INTERRUPT) == "KeyboardInterrupt"
        assert client.do(RESTART) == "NameError"
        # The other one's pod has gone by now, or ends.
        wait_until("one pod", lambda: {pod["metadata"]["uid"] for pod in here.items("pods")} < pods, seconds=60)

        # A shutdown in such a network ends, and what could not be done is said.
        network.lose()
        client.do("await manager.shutdown_kernel()")
        (name,) = (kernel["metadata"]["name"] for kernel in here.items("kernels"))
    said = f"Not deleted as this process ended: {name}. "
    assert said in log.read_text()
    assert f"delete kernels -n {here.namespace} {name}" in log.read_text()
    here("delete", "kernel", name)
