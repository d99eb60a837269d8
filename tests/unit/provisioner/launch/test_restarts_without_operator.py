"""Restarts that the provisioner asks the supervisor for, with nobody else there."""

import asyncio

import pytest

from fixtures.fake_api_server import INSTANCES, KERNEL, SECRETS, FakeApiServer, failure, instance
from fixtures.kernel_pod import Pod
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import KernelFailedError, OperatorNotRunningError
from kubernel_provisioner.launch import restarting, supervised, waiting


@pytest.fixture
def no_operator(
    monkeypatch: pytest.MonkeyPatch, server: FakeApiServer, running: KubernetesProvisioner, pod: Pod
) -> None:
    """It takes note of nothing any more; and nothing takes long here."""
    monkeypatch.setattr(supervised, "LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(supervised, "LAST_WORDS_SECONDS", 0.01)
    monkeypatch.setattr(restarting, "RETRY_SECONDS", 0.01)
    running.operator_timeout = 1
    unseen = instance(version=6, **pod.status())
    unseen["metadata"]["generation"] = 2
    server.answers["PATCH", KERNEL] = [(200, unseen)]


@pytest.mark.usefixtures("no_operator")
async def test_a_restart_needs_no_operator(running: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> None:
    assert await running.launch_kernel([]) == pod.info()
    assert [request["generation"] for request in pod.restarts()] == [1]
    assert server.requests == [
        ("PATCH", KERNEL, {"metadata": {"uid": "u1", "resourceVersion": "5"}, "spec": {"restartGeneration": 1}})
    ]
    assert await running.poll() is None


@pytest.mark.usefixtures("no_operator")
async def test_a_restart_without_operator_and_api_server(
    running: KubernetesProvisioner, server: FakeApiServer, background: Background, pod: Pod
) -> None:
    """The API server learns of it when it is back."""
    told = server.answers["PATCH", KERNEL]
    server.answers["PATCH", KERNEL] = [failure(503)]
    assert await running.launch_kernel([]) == pod.info()
    server.answers["PATCH", KERNEL] = told
    await background.finish_errands(10)
    assert server.requests[-1] == (
        "PATCH",
        KERNEL,
        {"metadata": {"uid": "u1", "resourceVersion": "5"}, "spec": {"restartGeneration": 1}},
    )
    assert await running.poll() is None


@pytest.mark.usefixtures("no_operator")
async def test_a_restart_takes_a_number_that_was_not_used(running: KubernetesProvisioner, pod: Pod) -> None:
    """Somebody else has restarted it, and the operator has not told."""
    pod.generation = 7
    await running.launch_kernel([])
    assert [request["generation"] for request in pod.restarts()] == [1, 8]


@pytest.mark.usefixtures("no_operator")
async def test_a_kernel_that_does_not_survive_its_restart(
    running: KubernetesProvisioner, background: Background, server: FakeApiServer, pod: Pod
) -> None:
    pod.state = "exited"
    with pytest.raises(KernelFailedError, match="ended with exit code"):
        await running.launch_kernel([])
    await background.finish_errands(10)
    assert server.calls()[-1] == ("DELETE", KERNEL)


@pytest.mark.usefixtures("no_operator")
async def test_a_restart_that_nobody_has_seen_waits(
    running: KubernetesProvisioner,
    cluster: Cluster,
    background: Background,
    server: FakeApiServer,
    pod: Pod,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The image has no supervisor. The operator comes back long after a first start would have been given up."""
    pod.answer = None
    restarting = asyncio.create_task(running.launch_kernel([]))
    await asyncio.wait({restarting}, timeout=running.operator_timeout + 0.5)
    assert not restarting.done()
    cluster.view.offer(instance(version=7, **pod.status(restart=1)))
    assert await restarting == pod.info()
    assert ("DELETE", KERNEL) not in server.calls()


@pytest.mark.usefixtures("no_operator")
async def test_a_restart_that_nobody_ever_sees_deletes_nothing(
    running: KubernetesProvisioner,
    background: Background,
    server: FakeApiServer,
    pod: Pod,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "DEADLINE_GRACE_SECONDS", 0)
    running.start_deadline_seconds, pod.answer = 1, None
    with pytest.raises(OperatorNotRunningError):
        await running.launch_kernel([])
    await background.finish_errands(10)
    assert (running.has_process, await running.poll()) == (True, None)
    assert ("DELETE", KERNEL) not in server.calls()


async def test_a_restart_of_what_was_deleted_by_hand_starts_anew(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod
) -> None:
    server.answers["PATCH", KERNEL] = [failure(404, "NotFound")]
    assert await running.launch_kernel([]) == pod.info()
    assert server.calls() == [("PATCH", KERNEL), ("POST", INSTANCES), ("POST", SECRETS)]


@pytest.mark.usefixtures("no_operator")
async def test_a_restart_lets_a_paused_kernel_go_on(
    running: KubernetesProvisioner, server: FakeApiServer, cluster: Cluster, pod: Pod
) -> None:
    paused = instance(version=6, **pod.status())
    paused["spec"] = {**paused.get("spec", {}), "suspend": True}
    cluster.view.offer(paused)
    assert await running.launch_kernel([]) == pod.info()
    assert server.requests[-1][2]["spec"] == {"restartGeneration": 1, "suspend": False}
