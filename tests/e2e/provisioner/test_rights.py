"""A notebook server's ServiceAccount: what it needs, what it is told when it lacks something, and the command line."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from kubernel_provisioner import KubernelError, KubernetesProvisioner
from kubernel_provisioner.commands.cli import main

Make = Callable[..., AsyncKernelManager]
Rules = list[dict[str, list[str]]]

KERNELS = {
    "apiGroups": ["kubernel.dev"],
    "resources": ["kernelinstances"],
    "verbs": ["create", "get", "list", "watch", "patch", "delete"],
}
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
LEASES = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "patch", "delete"]}
ALL = [KERNELS, SECRETS, LEASES]


@pytest.fixture
def become(
    kubectl: Kubectl, kubeconfig: Path, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Rules], None]:
    """From then on this process is a ServiceAccount with these rights in its namespace, and with no others."""
    here = kubectl.within(namespace)
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "server"}
    subject = {"kind": "ServiceAccount", "name": "server", "namespace": namespace}

    def apply(rules: Rules) -> None:
        rbac = "rbac.authorization.k8s.io/v1"
        here.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "server"}},
            {"apiVersion": rbac, "kind": "Role", "metadata": {"name": "server"}, "rules": rules},
            {
                "apiVersion": rbac,
                "kind": "RoleBinding",
                "metadata": {"name": "server"},
                "roleRef": role,
                "subjects": [subject],
            },
        )
        config: dict[str, Any] = kubectl.json("config", "view", "--raw", "--minify")
        config["users"] = [{"name": "server", "user": {"token": here.text("create", "token", "server")}}]
        config["contexts"][0]["context"] = {
            "cluster": config["clusters"][0]["name"],
            "user": "server",
            "namespace": namespace,
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        monkeypatch.setenv("KUBERNEL_KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.delenv("KUBERNEL_NAMESPACE", raising=False)  # the context has it

    return apply


async def test_these_rights_are_enough(pod_network: None, become: Callable[[Rules], None], make_manager: Make) -> None:
    become(ALL)
    manager = make_manager()
    await manager.start_kernel()
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"
        await manager.restart_kernel()
    await manager.shutdown_kernel()


@pytest.mark.parametrize(
    ("rules", "what", "needed"),
    [
        pytest.param([KERNELS, SECRETS], "create a Lease for this server", "leases.coordination.k8s.io", id="Lease"),
        pytest.param([SECRETS, LEASES], "list KernelInstances", "kernelinstances.kubernel.dev", id="KernelInstances"),
        pytest.param([KERNELS, LEASES], "create the Secret with the kernel's key", "secrets", id="Secrets"),
    ],
)
async def test_a_right_that_is_missing_is_named(
    become: Callable[[Rules], None], make_manager: Make, namespace: str, rules: Rules, what: str, needed: str
) -> None:
    become(rules)
    with pytest.raises(KubernelError) as caught:
        await make_manager().start_kernel()
    lines = str(caught.value).splitlines()
    assert lines[0] == f"Not permitted (403): cannot {what}."
    assert f"system:serviceaccount:{namespace}:server" in caught.value.why
    assert caught.value.command.endswith(f"auth can-i --list -n {namespace}  (needed: {needed})")


def test_check(become: Callable[[Rules], None], capsys: pytest.CaptureFixture[str], namespace: str) -> None:
    become(ALL)
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok   the API server answers: Kubernetes v1.")
    assert lines[0].endswith(f", namespace {namespace}")
    assert lines[1:] == [
        "ok   the cluster knows kernelinstances.kubernel.dev",
        "ok   may create, get, list, watch, patch, delete kernelinstances.kubernel.dev",
        "ok   may create secrets",
        "ok   may create, patch, delete leases.coordination.k8s.io",
        "?    may not list events: kubernel events cannot say what happened to a kernel",
        f'     add to its Role in {namespace}: {{apiGroups: [""], resources: [events], verbs: [list]}}',
        "?    may not list kernelpools: no kernel comes out of a pool",
        f"     add to its Role in {namespace}: "
        '{apiGroups: ["kubernel.dev"], resources: [kernelpools], verbs: [list]}',
        "?    may not get secrets: kernels are used by the process that started them, and kubernel connect cannot work",
        "     to allow it: clientRole.readKeys of the chart",
        "?    no KernelInstance shows whether an operator runs",
        "     start one: kubernel check --start",
    ]
    become([KERNELS, SECRETS])
    assert main(["check"]) == 1
    assert capsys.readouterr().out.splitlines()[4:6] == [
        "FAIL may not create, patch, delete leases.coordination.k8s.io",
        f"     add to its Role in {namespace}: "
        '{apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [create, patch, delete]}',
    ]


def test_check_starts_a_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--start"]) == 0
    assert "ok   a kernel answered after " in capsys.readouterr().out


async def test_connect(
    pod_network: None, manager: AsyncKernelManager, tmp_path: Path, kubectl: Kubectl, namespace: str
) -> None:
    """In a process of its own, as a person calls it, and then what it says to try. The kernel is encrypted."""
    (name,) = kubectl.within(namespace).text("get", "kernels", "--output=jsonpath={.items[*].metadata.name}").split()
    path = tmp_path / "connection.json"
    command = [sys.executable, "-m", "kubernel_provisioner.commands.cli", "connect", name, "--file", str(path)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert done.stdout == f"Wrote {path}\nTry: kubernel console {path}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    info = manager.get_connection_info()
    assert json.loads(path.read_text()) == {**info, "key": info["key"].decode()}
    command = [sys.executable, "-m", "kubernel_provisioner.commands.cli", "console", str(path), "--simple-prompt"]
    lines = "x = 6 * 7\nprint('the answer is', x)\nexit\n"
    done = await asyncio.to_thread(
        subprocess.run, command, input=lines, capture_output=True, text=True, check=True, timeout=90
    )
    assert "the answer is 42\n" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent", "There is no kernel absent in namespace "), ("waiting", "Kernel waiting is not ready: ")],
)
def test_connect_to_what_is_not_there(
    kubectl: Kubectl, namespace: str, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    spec = {"image": "localhost/no-such-image:1"}
    metadata = {"name": "waiting"}
    here = kubectl.within(namespace)
    here.apply({"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": metadata, "spec": spec})
    assert main(["connect", name]) == 1
    here("delete", "kernel", "waiting", "--wait=false")
    assert capsys.readouterr().err.startswith(message)


async def test_an_image_that_cannot_be_pulled(make_manager: Make, namespace: str) -> None:
    provisioner = KubernetesProvisioner(image="localhost/no-such-image:1", start_deadline_seconds=10)
    launch = await provisioner.pre_launch()
    with pytest.raises(KubernelError) as caught:
        await provisioner.launch_kernel(launch.pop("cmd"), **launch)
    assert str(caught.value).startswith("The image localhost/no-such-image:1 cannot be pulled")
    assert "localhost/no-such-image:1" in str(caught.value)


async def test_no_operator(operator_namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNEL_NAMESPACE", operator_namespace)
    provisioner = KubernetesProvisioner(operator_timeout=1)
    launch = await provisioner.pre_launch()
    with pytest.raises(KubernelError, match="No kubernel operator has looked at the kernel for 1 s"):
        await provisioner.launch_kernel(launch.pop("cmd"), **launch)
    assert provisioner.has_process is False
