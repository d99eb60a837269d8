"""Keys that clients make themselves: neighbours in one namespace, with the chart's rights, read none."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.jupyter_server import client_role
from fixtures.kernel_managers import START_SECONDS, run
from fixtures.kubectl import Kubectl, Object
from fixtures.waiting import wait_until
from kubernel_api.constants import POD_SECRET_TYPE
from kubernel_provisioner import KubernetesProvisioner
from kubernel_wire.keys import ConnectionKeys, connection_secret, new_keys

from .conftest import client_of

ADA, BOB = "ada", "bob"


@pytest.fixture
def accounts(operator: object, pod_network: None, namespace: str, kubectl: Kubectl, tmp_path: Path) -> dict[str, Path]:
    """Kubeconfigs of two people's ServiceAccounts, each with the chart's Role and nothing else."""
    here = kubectl.within(namespace)
    role, binding = client_role(namespace)
    binding["subjects"] = [{"kind": "ServiceAccount", "name": name, "namespace": namespace} for name in (ADA, BOB)]
    people = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}} for name in (ADA, BOB)]
    here.apply(*people, role, binding)
    config: dict[str, Any] = kubectl.json("config", "view", "--raw", "--minify")
    paths = {}
    for name in (ADA, BOB):
        config["users"] = [{"name": name, "user": {"token": here.text("create", "token", name)}}]
        context = {"cluster": config["clusters"][0]["name"], "user": name, "namespace": namespace}
        config["contexts"][0]["context"] = context
        paths[name] = tmp_path / name
        paths[name].write_text(json.dumps(config))
    return paths


@contextlib.asynccontextmanager
async def kernel_of(kubeconfig: Path) -> AsyncIterator[dict[str, Any]]:
    """The connection info of a kernel that this account has started."""
    provisioner = KubernetesProvisioner(kubeconfig=str(kubeconfig), access="direct")
    launch = await provisioner.pre_launch()
    try:
        yield dict(await provisioner.launch_kernel(launch.pop("cmd"), **launch))
    finally:
        await provisioner.cleanup()


async def test_neighbours_read_no_keys(accounts: dict[str, Path], namespace: str, kubectl: Kubectl) -> None:
    here = kubectl.within(namespace)
    async with kernel_of(accounts[ADA]) as adas, kernel_of(accounts[BOB]) as bobs:
        assert adas["key"] != bobs["key"]
        kernels: list[Object] = here.items("kernels")
        names = [kernel["status"]["connection"]["secretName"] for kernel in kernels]
        assert len(set(names)) == 2
        for account in (ADA, BOB):
            for arguments in (*(("get", "secret", name) for name in names), ("get", "secrets"), ("get", "pods")):
                refused = here(f"--as=system:serviceaccount:{namespace}:{account}", *arguments, check=False)
                assert "Forbidden" in refused.stderr, arguments
        for info in (adas, bobs):
            async with client_of(info) as client:
                await client.wait_for_ready(timeout=START_SECONDS)
                assert await run(client, "print(1)") == "1\n"
        # Bob's key is none for Ada's kernel.
        async with client_of({**adas, "key": bobs["key"]}) as stranger, client_of(adas) as owner:
            stranger.kernel_info()
            await owner.wait_for_ready(timeout=START_SECONDS)
            assert not await stranger.shell_channel.msg_ready()


def test_the_operator_makes_no_key_that_a_client_makes(here: Kubectl) -> None:
    """The pod waits for it, and is ready once it came; its own Secret is the operator's."""
    instance = waiting_for_its_key(here, startDeadlineSeconds=START_SECONDS)
    (pods,) = here.items("secrets")
    assert pods["type"] == POD_SECRET_TYPE
    here.apply(connection_secret(instance, new_keys(encrypted=False)))
    here("wait", "--for=condition=Ready", "kernel/k", f"--timeout={START_SECONDS}s")


def test_a_client_that_ended_before_it_made_its_key(here: Kubectl) -> None:
    waiting_for_its_key(here, startDeadlineSeconds=5)
    here("wait", "--for=condition=Finished", "kernel/k", f"--timeout={START_SECONDS}s")
    status = here.json("get", "kernel", "k")["status"]
    assert status["reason"] == "StartTimeout"
    assert "which its client has to create (spec.connection.keyFrom: Client)" in status["message"]


def waiting_for_its_key(here: Kubectl, **lifecycle: int) -> Object:
    """A KernelInstance whose pod was seen to wait for a Secret that nobody makes."""
    spec = {"connection": {"keyFrom": "Client"}, "lifecycle": lifecycle}
    here.apply(
        {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": "k"}, "spec": spec}
    )

    def seen() -> Object | None:
        found: Object = here.json("get", "kernel", "k")
        return found if found["status"]["reason"] == "WaitingForKey" else None

    waits: Object = wait_until("the pod waits for its key", seen, seconds=START_SECONDS)
    return waits


async def test_a_secret_that_was_deleted(
    accounts: dict[str, Path], here: Kubectl, kubectl: Kubectl, namespace: str
) -> None:
    """The pod that replaces another one waits for it; its client, which has the key, makes it again."""
    provisioner = KubernetesProvisioner(kubeconfig=str(accounts[ADA]), access="direct")
    launch = await provisioner.pre_launch()
    try:
        info = await provisioner.launch_kernel(launch.pop("cmd"), **launch)
        (kernel,) = here.items("kernels")
        here("delete", "secret", kernel["status"]["connection"]["secretName"])
        here("delete", "pods", "--all", "--wait=false")
        await provisioner.wait()
        launch = await provisioner.pre_launch()
        assert await provisioner.launch_kernel(launch.pop("cmd"), **launch) == info
        async with client_of(dict(info)) as client:
            await client.wait_for_ready(timeout=START_SECONDS)
            assert await run(client, "print(1)") == "1\n"
    finally:
        await provisioner.cleanup()


async def test_a_secret_that_a_neighbour_was_faster_to_make(
    accounts: dict[str, Path], here: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key is not used: the KernelInstance is given up for another one."""
    from kubernel_provisioner.launch import posting

    create: Callable[..., Any] = posting._create_secret
    theirs: list[str] = []

    async def create_after_them(cluster: Any, secret: Object) -> bool:
        if not theirs:
            theirs.append(secret["metadata"]["name"])
            body = {**secret, "stringData": ConnectionKeys("known to others").texts()}
            here(f"--kubeconfig={accounts[BOB]}", "create", "--filename=-", stdin=json.dumps(body))
        done: bool = await create(cluster, secret)
        return done

    monkeypatch.setattr(posting, "_create_secret", create_after_them)
    async with kernel_of(accounts[ADA]) as info:
        (kernel,) = (k for k in here.items("kernels") if "deletionTimestamp" not in k["metadata"])
        assert kernel["status"]["connection"]["secretName"] not in theirs
        async with client_of(info) as client:
            await client.wait_for_ready(timeout=START_SECONDS)
            assert await run(client, "print(1)") == "1\n"
