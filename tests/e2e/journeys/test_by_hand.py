"""A KernelInstance applied by hand, and what kubectl shows of it."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from fixtures.connecting import connected
from fixtures.kubectl import Kubectl, Object
from fixtures.operator_release import OperatorRelease
from fixtures.waiting import wait_until


@pytest.fixture
def here(operator: OperatorRelease, namespace: str, kubectl: Kubectl) -> Kubectl:
    return kubectl.within(namespace)


@pytest.fixture
def connect(here: Kubectl, tmp_path: Path) -> Iterator[Callable[[str], BlockingKernelClient]]:
    """``kubernel connect`` and a client with the file that it writes."""
    with contextlib.ExitStack() as stack:

        def connect_(name: str) -> BlockingKernelClient:
            file = tmp_path / f"{name}.json"
            options = [f"--namespace={here.namespace}", f"--kubeconfig={here.kubeconfig}"]
            stack.enter_context(connected(name, *options, file=file))
            client = BlockingKernelClient()
            client.load_connection_file(str(file))
            client.start_channels()
            stack.callback(client.stop_channels)
            client.wait_for_ready(timeout=30)
            return client

        yield connect_


def test_apply_wait_connect_delete(
    here: Kubectl, connect: Callable[[str], BlockingKernelClient], leftovers: Callable[[str], list[str]]
) -> None:
    here.apply(kernel_instance("by-hand"))
    here("wait", "--for=condition=Ready", "kernel/by-hand", "--timeout=60s")
    client = connect("by-hand")
    reply = client.execute("", user_expressions={"answer": "6 * 7"}, reply=True, timeout=30)
    assert reply["content"]["user_expressions"]["answer"]["data"]["text/plain"] == "42"
    here("delete", "kernel", "by-hand")
    wait_until("nothing left over", lambda: leftovers(here.namespace or "") == [], seconds=30)


def test_connect_through_the_api_server(here: Kubectl, tmp_path: Path) -> None:
    """As from a laptop: the way is there until Ctrl-C."""
    here.apply(kernel_instance("afar"))
    here("wait", "--for=condition=Ready", "kernel/afar", "--timeout=60s")
    file = tmp_path / "afar.json"
    options = [f"--namespace={here.namespace}", f"--kubeconfig={here.kubeconfig}", "--access=port-forward"]
    with connected("afar", *options, file=file) as said:
        assert said.splitlines()[-1] == "It leads through the API server, and ends with this command (Ctrl-C)."
        client = BlockingKernelClient()
        client.load_connection_file(str(file))
        assert client.ip == "127.0.0.1"
        client.start_channels()
        client.wait_for_ready(timeout=30)
        assert client.execute("1", reply=True, timeout=30)["content"]["status"] == "ok"
        client.stop_channels()


def test_exit_code(here: Kubectl, connect: Callable[[str], BlockingKernelClient]) -> None:
    here.apply(kernel_instance("exits"))
    here("wait", "--for=condition=Ready", "kernel/exits", "--timeout=60s")
    connect("exits").execute("import os; os._exit(42)")
    here("wait", "--for=jsonpath={.status.phase}=Exited", "kernel/exits", "--timeout=30s")
    status = here.json("get", "kernel", "exits")["status"]
    assert {key: status["exit"].get(key) for key in ("exitCode", "signal", "reason", "oomKilled")} == {
        "exitCode": 42,
        "signal": None,
        "reason": "KernelCrashed",
        "oomKilled": False,
    }
    assert row(here, "exits")[:2] == ["Exited", "KernelCrashed"]


def test_out_of_memory(here: Kubectl, connect: Callable[[str], BlockingKernelClient]) -> None:
    here.apply(kernel_instance("hungry", resources={"limits": {"memory": "200Mi"}}))
    here("wait", "--for=condition=Ready", "kernel/hungry", "--timeout=60s")
    connect("hungry").execute("everything = b'x' * 2**33")
    wait_until("the end of the kernel", lambda: here.json("get", "kernel", "hungry")["status"].get("exit"), seconds=30)
    status = here.json("get", "kernel", "hungry")["status"]
    assert (status["reason"], status["exit"]["reason"], status["exit"]["oomKilled"]) == ("OOMKilled", "OOMKilled", True)


def test_restart_by_hand(here: Kubectl, connect: Callable[[str], BlockingKernelClient]) -> None:
    here.apply(kernel_instance("restarts"))
    here("wait", "--for=condition=Ready", "kernel/restarts", "--timeout=60s")
    before = here.json("get", "kernel", "restarts")["status"]
    here("patch", "kernel", "restarts", "--type=merge", '--patch={"spec":{"restartGeneration":1}}')
    here("wait", "--for=jsonpath={.status.restartGeneration}=1", "kernel/restarts", "--timeout=60s")
    here("wait", "--for=condition=Ready", "kernel/restarts", "--timeout=60s")
    after = here.json("get", "kernel", "restarts")["status"]
    assert (after["restartCount"], after["connection"], after["podName"]) == (
        1,
        before["connection"],
        before["podName"],
    )
    assert connect("restarts").kernel_info(reply=True, timeout=30)["content"]["status"] == "ok"


def kernel_instance(name: str, **spec: object) -> Object:
    return {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": name}, "spec": spec}


def row(here: Kubectl, name: str) -> list[str]:
    """The columns of ``kubectl get kernels`` after the name."""
    return here.text("get", "kernel", name, "--no-headers").split()[1:]
