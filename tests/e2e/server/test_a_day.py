"""A day of a laptop in minutes. Its notebooks' kernels are far away, and in the evening each has its variable still.

The laptop reaches the cluster through the API server alone, over a network that fails, with a login that ends.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fixtures.jupyter_server import ACCOUNT, client_role
from fixtures.kubectl import Kubectl
from fixtures.link import HOST, Link, link_to
from fixtures.login_command import LoginCommand
from fixtures.operator_process import OperatorProcess
from fixtures.programs import Environment
from fixtures.waiting import wait_until
from kubernel_api.constants import API_VERSION, KIND
from kubernel_provisioner.cluster.lease import build_lease

from .conftest import HostServer, StartServer, notebook, until_busy, value

pytestmark = [pytest.mark.extension, pytest.mark.timeout(500)]
NOTEBOOKS = 4
SECONDS = 90.0
A_DAY = 86400
# How long every server could be away once, and some twenty seconds more, before its kernels were deleted.
ONCE = 60


@pytest.fixture
def here(operator: object, kubectl: Kubectl, operator_namespace: str) -> Kubectl:
    """kubectl for the kernels' namespace, where the laptop's user may do what the chart allows."""
    here = kubectl.within(operator_namespace)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    here.apply(account, *client_role(operator_namespace, portForward=True, readKeys=True))
    return here


@pytest.fixture
def login(here: Kubectl, tmp_path: Path) -> LoginCommand:
    return LoginCommand(here, ACCOUNT, tmp_path)


@pytest.fixture
def vpn(kubectl: Kubectl) -> Iterator[Link]:
    server = urlsplit(kubectl.json("config", "view", "--minify")["clusters"][0]["cluster"]["server"])
    with link_to(server.hostname or "", server.port or 443) as link:
        yield link


@pytest.fixture
def cluster_environment(
    login: LoginCommand, vpn: Link, here: Kubectl, leftovers: Callable[[str], list[str]]
) -> Iterator[Environment]:
    """The laptop's: nothing but a kubeconfig, for an address that is in no certificate."""
    kubeconfig = login.kubeconfig(**{"server": f"https://{HOST}:{vpn.port}", "tls-server-name": "kubernetes"})
    namespace = here.namespace or ""
    yield {
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "kubernel",
        "KUBERNEL_KUBECONFIG": str(kubeconfig),
        "KUBERNEL_NAMESPACE": namespace,
        "KUBERNEL_ACCESS": "port-forward",
        "KUBERNEL_OWNER": "laptop",
    }
    wait_until(f"nothing left in {namespace}", lambda: leftovers(namespace) == [], seconds=SECONDS)


def pods(here: Kubectl) -> set[str]:
    """Uids of the kernels' pods."""
    return {pod["metadata"]["uid"] for pod in here.items("pods")}


def forget_a_kernel(here: Kubectl) -> str:
    """One of a server that is never heard of again, which allowed itself what all had once; its name."""
    name = "forgotten"
    lease = build_lease(name, ONCE, datetime.now(UTC))
    nowhere = {"nodeSelector": {"example.org/nowhere": "yes"}, "lifecycle": {"leaseName": lease["metadata"]["name"]}}
    here.apply(lease, {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": nowhere})
    return name


def check(server: HostServer, kernels: dict[str, int]) -> None:
    """Each notebook's page connects again and finds the variable."""
    for kernel_id, number in kernels.items():
        with server.kernel(kernel_id) as page:
            page.until_answered()
            assert value(page, "print(x)") == f"{number}\n"


def test_a_day(
    operator_process: Callable[..., OperatorProcess],
    here: Kubectl,
    login: LoginCommand,
    vpn: Link,
    start_server: StartServer,
) -> None:
    operator = operator_process(here.namespace or "")
    server = start_server()
    kernels: dict[str, int] = {}

    # Morning: notebooks are opened.
    for number in range(NOTEBOOKS):
        with notebook(server, path=f"{number}.ipynb") as (session, page):
            assert value(page, f"x = {number}; print(x)") == f"{number}\n"
            kernels[session["kernel"]["id"]] = number
    first_pods = pods(here)
    assert len(first_pods) == NOTEBOOKS
    assert A_DAY in {lease["spec"]["leaseDurationSeconds"] for lease in here.items("leases")}

    # The lid is closed for longer than any server could be away once, and the login ends meanwhile.
    server.process.send_signal(signal.SIGSTOP)
    before, forgotten = login.token, forget_a_kernel(here)
    login.renew()
    wait_until("the old token to end", lambda: not login.is_taken(before), seconds=SECONDS)
    names = lambda: {kernel["metadata"]["name"] for kernel in here.items("kernels")}  # noqa: E731
    wait_until("the end of a kernel that was forgotten", lambda: forgotten not in names(), seconds=ONCE + SECONDS)
    assert len(names()) == NOTEBOOKS
    server.process.send_signal(signal.SIGCONT)
    check(server, kernels)

    # The VPN is lost while pages are open; they are answered when it is back, without a reload. A cell that ended
    # meanwhile ends in its page, too, and says what it lacks.
    with ExitStack() as stack:
        pages = [stack.enter_context(server.kernel(kernel_id)) for kernel_id in kernels]
        for page in pages:
            page.until_answered()
        cell = until_busy(pages[0], "print('busy', flush=True)\n__import__('time').sleep(3)")
        vpn.lose()
        lost = vpn.silent
        assert lost
        wait_until("connections that are given up", lambda: vpn.silent < lost, seconds=SECONDS)
        vpn.find()
        told = list(pages[0].outputs(cell))
        assert [output.get("ename") for output in told][-1] == "ConnectionLost", told
        for page in pages:
            page.until_answered()
    check(server, kernels)

    # Another version of the operator; in between there is none.
    operator.stop()
    kernel_id = min(kernels)
    with server.kernel(kernel_id) as page:
        cell = until_busy(page, "import time\nprint('busy', flush=True)\ntime.sleep(600)")
        server.request("POST", f"/kernels/{kernel_id}/interrupt")
        assert [output.get("ename") for output in page.outputs(cell)] == ["KeyboardInterrupt"]
    operator.start()
    with notebook(server, path="afternoon.ipynb") as (session, page):
        assert value(page, "x = 100; print(x)") == "100\n"
        kernels[session["kernel"]["id"]] = 100
    check(server, kernels)

    # The Jupyter server crashes, and is started again.
    server.stop(signal.SIGKILL)
    server = start_server()
    assert {kernel["id"] for kernel in server.request("GET", "/kernels")} == set(kernels)
    check(server, kernels)

    # Evening: all of them are the processes of the morning.
    assert pods(here) >= first_pods
    assert len(pods(here)) == len(kernels)
    reasons = {kernel["status"]["reason"] for kernel in here.items("kernels")}
    assert reasons == {"Running"}
    for session in server.request("GET", "/sessions"):
        server.request("DELETE", f"/sessions/{session['id']}")
