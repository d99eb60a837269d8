"""JupyterHub by the recipe of docs/examples/jupyterhub: each user's kernels in a namespace that is theirs alone.

The hub has the rights of the recipe and those that KubeSpawner needs, and no others. Its users' servers are pods, or
processes here with the accounts that their pods would have.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.api_client import ApiClient
from fixtures.cluster import KERNEL_IMAGE, REPO, program
from fixtures.hub import AS_POD, AS_PROCESS, RECIPE, Hub, hub_environment, running_hub
from fixtures.jupyter_server import JupyterServer
from fixtures.kubectl import Kubectl, Object
from fixtures.namespaces import remove_namespace
from fixtures.operator_release import OperatorRelease
from fixtures.waiting import wait_until

from .conftest import value

pytestmark = pytest.mark.timeout(500)
KERNELSPEC = "science"
SECONDS = 60.0


@pytest.fixture
def mark() -> str:
    """What keeps the names of this run apart from others'."""
    return secrets.token_hex(4)


def recipe_objects(namespace: str, role: str, mark: str) -> list[Object]:
    """The recipe's rights and role, for a hub in that namespace; all of its names are of the cluster."""
    shown = ["--show-only=templates/client/clusterrole.yaml", f"--values={RECIPE / 'kubernel-values.yaml'}"]
    command = [str(program("helm")), "template", f"h-{mark}", str(REPO / "helm" / "kubernel"), *shown]
    (client_role,) = yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    client_role["metadata"]["name"] = role
    names = {"kubernel-kubernel-system-client": role, "hub-kernels": f"hub-kernels-{mark}", "jupyterhub": namespace}
    text = (RECIPE / "hub-rights.yaml").read_text()
    for name, here in names.items():
        text = text.replace(name, here)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "hub", "namespace": namespace}}
    return [client_role, account, *yaml.safe_load_all(text)]


def rights_of_kubespawner(namespace: str) -> list[Object]:
    """As zero-to-jupyterhub's chart gives them to its hub."""
    group, hub = "rbac.authorization.k8s.io", {"name": "hub", "namespace": namespace}
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "watch", "list", "create", "delete"]}
    events = {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "watch", "list"]}
    ref, subjects = {"apiGroup": group, "kind": "Role", "name": "hub"}, [{"kind": "ServiceAccount", **hub}]
    binding = {"kind": "RoleBinding", "metadata": hub, "roleRef": ref, "subjects": subjects}
    role = {"kind": "Role", "metadata": hub, "rules": [pods, events]}
    return [{"apiVersion": f"{group}/v1", **each} for each in (role, binding)]


@pytest.fixture(params=[pytest.param(AS_PROCESS, id="processes"), pytest.param(AS_POD, id="KubeSpawner")])
def hub(
    request: pytest.FixtureRequest,
    operator: OperatorRelease,
    kubectl: Kubectl,
    api: ApiClient,
    namespace: str,
    mark: str,
    tmp_path: Path,
) -> Iterator[Hub]:
    """A hub in the test's namespace, with users called NAME-MARK."""
    here, role = kubectl.within(namespace), f"client-{mark}"
    objects = [*recipe_objects(namespace, role, mark), *rights_of_kubespawner(namespace)]
    kubectl.apply(*objects)
    environment = hub_environment()
    spec = ["--name", KERNELSPEC, "--image", KERNEL_IMAGE, "--sys-prefix", "--replace"]
    subprocess.run([str(environment / "bin" / "kubernel"), "install", *spec], check=True, capture_output=True)
    config: Any = here.json("config", "view", "--raw", "--minify")
    config["users"] = [{"name": "hub", "user": {"token": here.text("create", "token", "hub")}}]
    config["contexts"][0]["context"]["user"] = "hub"
    kubeconfig = tmp_path / "hub-kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    variables = {
        "KUBERNEL_CLIENT_ROLE": role,
        "POD_NAMESPACE": namespace,
        "KUBERNEL_OPERATOR_NAMESPACE": operator.namespace,
    }
    try:
        with running_hub(environment, tmp_path, here, kubeconfig, request.param, **variables) as running:
            yield running
    finally:
        for user in ("alice", "bob"):
            remove_namespace(api, f"kernels-{user}-{mark}")
        for each in objects:
            if each["kind"].startswith(("ClusterRole", "ValidatingAdmission")):
                kubectl("delete", each["kind"], each["metadata"]["name"], "--wait=false")


def start_kernel(server: JupyterServer, code: str) -> str:
    """The id of a new kernel in which that code has run."""
    kernel_id = str(server.request("POST", "/kernels", {"name": KERNELSPEC})["id"])
    with server.kernel(kernel_id) as page:
        page.until_answered()
        assert value(page, code) == ""
    return kernel_id


def names(kubectl: Kubectl, namespace: str) -> list[str]:
    return [kernel["metadata"]["name"] for kernel in kubectl.within(namespace).items("kernels")]


def test_two_users(
    hub: Hub, operator: OperatorRelease, kubectl: Kubectl, mark: str, leftovers: Callable[[str], list[str]]
) -> None:
    users = [f"{name}-{mark}" for name in ("alice", "bob")]
    namespaces = [f"kernels-{user}" for user in users]
    servers = {user: hub.start(user) for user in users}
    kernels = {user: start_kernel(servers[user], f"x = {user!r}") for user in users}
    for user, namespace in zip(users, namespaces, strict=True):
        assert names(kubectl, namespace) == [f"k-{kernels[user]}"]
        assert [kernel["id"] for kernel in servers[user].request("GET", "/kernels")] == [kernels[user]]
        (policy,) = kubectl.within(namespace).items("networkpolicies")
        assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/managed-by"] == "kubernel"

    # Neither account can do anything with the other's kernels, keys, or namespace.
    for user, other in zip(users, reversed(namespaces), strict=True):
        account = Kubectl(kubectl.program, hub.folder / f"notebook-{user}", other)
        for attempt in (
            ("get", "kernels"),
            ("delete", "kernels", "--all"),
            ("get", "secrets"),
            ("create", "configmap", "x"),
        ):
            assert "forbidden" in account(*attempt, check=False).stderr.lower(), attempt
        own = Kubectl(kubectl.program, hub.folder / f"notebook-{user}", f"kernels-{user}")
        assert len(own.items("kernels")) == 1

    # The hub's own account may bind the role in namespaces of users, and nowhere else.
    here = Kubectl(kubectl.program, hub.folder / "hub-kubeconfig", operator.namespace)
    bind = ("create", "rolebinding", "x", f"--clusterrole=client-{mark}", "--serviceaccount=default:default")
    assert "the hub makes namespaces kernels-* and their content only" in here(*bind, check=False).stderr
    assert "forbidden" in here(*bind[:3], "--clusterrole=admin", *bind[4:], check=False).stderr

    # A server is stopped and started again; its kernel has not noticed.
    alice = users[0]
    (pod,) = kubectl.within(namespaces[0]).items("pods")
    hub.stop(alice)
    assert names(kubectl, namespaces[0]) == [f"k-{kernels[alice]}"]
    again = hub.start(alice)
    assert [kernel["id"] for kernel in again.request("GET", "/kernels")] == [kernels[alice]]
    with again.kernel(kernels[alice]) as page:
        page.until_answered()
        assert value(page, "print(x)") == f"{alice}\n"
    assert [each["metadata"]["uid"] for each in kubectl.within(namespaces[0]).items("pods")] == [pod["metadata"]["uid"]]

    for user, server in ((alice, again), (users[1], servers[users[1]])):
        server.request("DELETE", f"/kernels/{kernels[user]}")
    for namespace in namespaces:
        wait_until(f"nothing left in {namespace}", lambda where=namespace: not leftovers(where), seconds=SECONDS)
