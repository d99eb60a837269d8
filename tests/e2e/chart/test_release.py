"""A release's life on a real cluster: tested, beside another one, upgraded and uninstalled under a running kernel."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.cluster import cluster_command, program
from fixtures.kubectl import Kubectl
from fixtures.operator_release import CHART, VALUES, OperatorRelease
from fixtures.waiting import wait_until

RELEASE = "second"
KERNEL = {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": "lives-on"}, "spec": {}}


@dataclass(frozen=True)
class Release:
    """A release that watches its own namespace only, beside the one that watches all others."""

    kubectl: Kubectl
    namespace: str

    def helm(self, *arguments: str) -> str:
        where = [f"--kubeconfig={self.kubectl.kubeconfig}", f"--namespace={self.namespace}"]
        done = subprocess.run([program("helm"), *arguments, *where], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def upgrade(self, *settings: str) -> None:
        own = [
            f"watchNamespaces=[{json.dumps(self.namespace)}]",
            "ignoreNamespaces=[]",
            "crds.install=false",
            *settings,
        ]
        values = [f"--values={VALUES}", *(f"--set-json={setting}" for setting in own)]
        self.helm("upgrade", "--install", RELEASE, str(CHART), *values, "--wait", "--timeout=120s")

    def operator_pod(self) -> str:
        return self.kubectl.text("get", "pods", "--selector=app.kubernetes.io/component=operator", "--output=name")


@pytest.fixture
def second(operator: OperatorRelease, operator_namespace: str, kubectl: Kubectl) -> Iterator[Release]:
    release = Release(kubectl.within(operator_namespace), operator_namespace)
    release.upgrade()
    yield release
    release.helm("uninstall", RELEASE, "--ignore-not-found", "--wait")


def test_helm_test_starts_a_kernel_and_leaves_nothing(
    operator: OperatorRelease, kubectl: Kubectl, leftovers: Callable[[str], list[str]]
) -> None:
    where = [f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={operator.namespace}"]
    done = subprocess.run(
        [program("helm"), "test", operator.name, *where, "--logs", "--timeout=60s"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running: The kernel is ready." in done.stdout
    wait_until("nothing left over", lambda: leftovers(operator.namespace) == [], seconds=30)


def test_a_kernel_outlives_upgrade_and_uninstall(second: Release, leftovers: Callable[[str], list[str]]) -> None:
    here = second.kubectl
    here.apply(KERNEL)
    here("wait", "--for=condition=Ready", "kernel/lives-on", "--timeout=60s")
    pod, operator_pod = container(here), second.operator_pod()

    second.upgrade('operator.logLevel="DEBUG"')
    assert second.operator_pod() != operator_pod
    assert container(here) == pod
    # The new operator still has the key that the supervisor believes.
    here("patch", "kernel", "lives-on", "--type=merge", '--patch={"spec":{"restartGeneration":1}}')
    here("wait", "--for=jsonpath={.status.restartCount}=1", "kernel/lives-on", "--timeout=30s")
    here("wait", "--for=condition=Ready", "kernel/lives-on", "--timeout=30s")
    assert container(here) == pod

    second.helm("uninstall", RELEASE, "--wait")
    assert container(here) == pod
    here("delete", "kernel", "lives-on", "--timeout=10s")
    wait_until("nothing left over", lambda: leftovers(second.namespace) == [], seconds=60)


def test_the_role_in_one_namespace_suffices(second: Release) -> None:
    here = second.kubectl
    here.apply(KERNEL)
    here("wait", "--for=condition=Ready", "kernel/lives-on", "--timeout=60s")
    user = f"system:serviceaccount:{second.namespace}:{RELEASE}-kubernel"
    requests = audited(user)
    assert len(requests) > 0
    assert [request for request in requests if request["responseStatus"]["code"] == 403] == []


def test_kernels_wait_for_their_turn(second: Release) -> None:
    second.upgrade("operator.maxStarting=1")
    here, names = second.kubectl, [f"k{i}" for i in range(5)]
    for name in names:
        here.apply({**KERNEL, "metadata": {"name": name}})

    def queued() -> list[str]:
        waiting = [kernel["status"] for kernel in here.items("kernels") if kernel["status"]["reason"] == "Queued"]
        return [status["message"] for status in waiting]

    said = wait_until("one waits", queued, seconds=30)
    assert said[0] == "As many kernels are starting as may at a time (maxStarting: 1); this one waits for its turn."
    here("wait", "--for=condition=Ready", *(f"kernel/{name}" for name in names), "--timeout=120s")
    made = [kernel["status"]["times"]["ready"] for kernel in here.items("kernels")]
    assert made == sorted(made), "in the order in which they came"


def container(here: Kubectl) -> tuple[str, str]:
    """The kernel's pod and container, which are new when either was replaced."""

    def look() -> tuple[str, str] | None:
        (pod,) = here.items("pods", "--selector=app.kubernetes.io/managed-by=kubernel")
        (status,) = pod["status"].get("containerStatuses") or [{}]
        return (pod["metadata"]["uid"], status["containerID"]) if "containerID" in status else None

    # The kernel is ready before the kubelet has said that its container runs.
    return wait_until("the kubelet's word", look, seconds=30)


def audited(user: str) -> list[dict[str, dict[str, int]]]:
    """The requests of a user, as the API server's audit log has them."""
    try:
        lines = Path(cluster_command("audit-log")).read_text().splitlines()
    except RuntimeError:
        pytest.skip("KUBERNEL_CLUSTER=current: the audit log of that cluster cannot be read from here")
    return [json.loads(line) for line in lines if f'"{user}"' in line]
