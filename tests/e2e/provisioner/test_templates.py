"""What a data platform asks for first: a kernel in a mesh, with a cloud identity and a Secret; chosen by one option."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from fixtures.operator_release import OperatorRelease
from fixtures.waiting import wait_until
from kubernel_provisioner.errors import KernelFailedError

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
Make = Callable[..., AsyncKernelManager]


@pytest.fixture
def template(
    kubectl: Kubectl, operator: OperatorRelease, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A template with a proxy, an account and a Secret of the namespace, for all kernels of the test."""
    name, there = f"t-{secrets.token_hex(4)}", kubectl.within(operator.namespace)
    kubectl.within(namespace).apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "data-lake"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "data-lake"}, "stringData": {"LAKE_KEY": "open"}},
    )
    proxy = {"name": "proxy", "image": operator.kernel_image, "stdin": True, "securityContext": RESTRICTED}
    spec: dict[str, Any] = {
        "serviceAccountName": "data-lake",
        "containers": [
            {"name": "kernel", "envFrom": [{"secretRef": {"name": "data-lake"}}]},
            {**proxy, "command": ["python3", "-c", "input()"]},
        ],
    }
    bounds = {"maxResources": {"memory": "1Gi"}}
    body = {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelTemplate", "metadata": {"name": name}}
    there.apply({**body, "spec": {"pod": {"spec": spec}, "bounds": bounds}})
    monkeypatch.setenv("KUBERNEL_TEMPLATE_NAME", name)
    yield name
    there("delete", "kerneltemplate", name)


async def test_a_kernel_in_a_mesh_with_an_identity_and_a_secret(
    template: str, make_manager: Make, kubectl: Kubectl, namespace: str
) -> None:
    here, manager = kubectl.within(namespace), make_manager()
    await manager.start_kernel()
    async with connected(manager) as client:
        assert await run(client, "import os; print(os.environ['LAKE_KEY'])") == "open\n"
    (pod,) = here.items("pods")
    assert pod["spec"]["serviceAccountName"] == "data-lake"
    assert [c["name"] for c in pod["spec"]["containers"]] == ["kernel", "proxy"]
    await manager.restart_kernel()
    async with connected(manager) as client:
        assert await run(client, "print(os.getpid() if 'os' in globals() else 'fresh')") == "fresh\n"
    await manager.shutdown_kernel()
    wait_until("the pod's end, its proxy too", lambda: not here.items("pods"), seconds=60)


async def test_what_its_bounds_forbid_is_the_notebooks_error(
    template: str, make_manager: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNEL_MEMORY", "2Gi")
    manager = make_manager()
    with pytest.raises(
        KernelFailedError, match=f"memory: 2Gi is more than 1Gi, maxResources of KernelTemplate {template}"
    ):
        await manager.start_kernel()
