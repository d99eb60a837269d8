"""A notebook-server pod with the rights that the chart gives, driven as a browser drives it."""

from collections.abc import Callable, Iterator

import pytest

from fixtures.cluster import cluster_command
from fixtures.journey_notebook import SOURCES, said
from fixtures.jupyter_server import ACCOUNT, JupyterServer, KernelSocket, client_role, running_server
from fixtures.kubectl import Kubectl
from fixtures.operator_release import OperatorRelease
from fixtures.waiting import wait_until


@pytest.fixture
def server(operator: OperatorRelease, namespace: str, kubectl: Kubectl) -> Iterator[JupyterServer]:
    cluster_command("images", "notebook-server")
    with running_server(kubectl, namespace) as running:
        yield running


def test_notebook(server: JupyterServer, namespace: str, leftovers: Callable[[str], list[str]]) -> None:
    session = server.start_session()
    kernel_id = session["kernel"]["id"]
    with server.kernel(kernel_id) as socket:
        outputs = {name: run_cell(server, socket, kernel_id, name) for name in SOURCES}
    assert outputs.pop("plot").startswith("[image/png, ")
    assert outputs.pop("loop").endswith("KeyboardInterrupt: ")
    assert outputs == {
        "print": f"Hello from pod k-{kernel_id}-1 as uid 1000\n",
        "exception": "ZeroDivisionError: division by zero",
        "afterwards": "Still here: True\n",
    }
    server.request("DELETE", f"/sessions/{session['id']}")
    wait_until("nothing left over", lambda: leftovers(namespace) == [], seconds=30)


def test_restart_keeps_the_websocket(server: JupyterServer) -> None:
    session = server.start_session()
    kernel_id = session["kernel"]["id"]
    with server.kernel(kernel_id) as socket:
        assert value(socket, "x = 1; print(x)") == "1\n"
        server.request("POST", f"/kernels/{kernel_id}/restart")
        socket.until_answered()
        assert value(socket, "print('x' in globals())") == "False\n"
    server.request("DELETE", f"/sessions/{session['id']}")


def test_a_headless_service_is_a_name_that_follows_the_pod(
    operator: OperatorRelease, namespace: str, kubectl: Kubectl
) -> None:
    cluster_command("images", "notebook-server")
    here = kubectl.within(namespace)
    with running_server(kubectl, namespace, "--service=Headless") as server:
        session = server.start_session()
        kernel_id = session["kernel"]["id"]
        with server.kernel(kernel_id) as socket:  # until then it may be on its way
            socket.until_answered()
        (kernel,), (service,) = here.items("kernels"), here.items("services")
        name = service["metadata"]["name"]
        assert (service["spec"]["clusterIP"], kernel["status"]["connection"]["ip"]) == (
            "None",
            f"{name}.{namespace}.svc",
        )
        with server.kernel(kernel_id) as socket:
            assert value(socket, "print(1)") == "1\n"
            here("delete", "pod", kernel["status"]["podName"], "--grace-period=1")  # the server starts it again
            socket.until_answered()
            assert value(socket, "print(2)") == "2\n"
        server.request("DELETE", f"/sessions/{session['id']}")


def test_a_start_that_cannot_work_says_why(server: JupyterServer, namespace: str, kubectl: Kubectl) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/kernelinstances.kubernel.dev": "0"}},
    }
    kubectl.within(namespace).apply(quota)
    wait_until(
        "the quota", lambda: "hard" in kubectl.within(namespace).items("resourcequotas")[0]["status"], seconds=30
    )
    session = server.start_session()
    address = f"/kernels/{session['kernel']['id']}"
    wait_until("its end", lambda: server.request("GET", address)["execution_state"] == "dead", seconds=60)
    assert "exceeded quota" in server.request("GET", address)["reason"]
    server.request("DELETE", f"/sessions/{session['id']}")
    assert server.request("GET", "/kernels") == []


def test_rights(namespace: str, kubectl: Kubectl) -> None:
    here = kubectl.within(namespace)
    here.apply(*client_role(namespace))
    account = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    listing = here.text("auth", "can-i", "--list", f"--as={account}").splitlines()[1:]
    # Every account may ask who it is and what it may, and read the server's own pages.
    everybody = ("selfsubject", " [/")
    assert sorted(" ".join(line.split()) for line in listing if not any(word in line for word in everybody)) == [
        "events [] [] [list]",
        "kernelinstances.kubernel.dev [] [] [create get list watch patch delete]",
        "kernelpools.kubernel.dev [] [] [list]",
        "leases.coordination.k8s.io [] [] [create patch delete]",
        "secrets [] [] [create]",
    ]


def run_cell(server: JupyterServer, socket: KernelSocket, kernel_id: str, name: str) -> str:
    """What a cell said; the loop is interrupted as soon as it counts."""
    outputs = []
    for output in socket.outputs(socket.execute(SOURCES[name])):
        if name == "loop" and not outputs:
            server.request("POST", f"/kernels/{kernel_id}/interrupt")
        outputs.append(output)
    return said(outputs)


def value(socket: KernelSocket, code: str) -> str:
    return said(list(socket.outputs(socket.execute(code))))
