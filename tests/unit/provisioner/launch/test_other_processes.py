"""A kernel that other servers and forked children drive, too."""

import signal
from typing import Any

import pytest

from fixtures.fake_api_server import KERNEL, LEASE, FakeApiServer, HereAndNow, failure, instance
from fixtures.kernel_pod import Pod, polled, signals
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner import provisioner as provisioner_module
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import KernelDeletedError


async def test_what_was_given_out_outlives_the_process(running: KubernetesProvisioner, cluster: Cluster) -> None:
    """Reading about it changes nothing."""
    await running.get_provisioner_info()
    assert cluster.given_out == set()
    running.release()
    assert cluster.given_out == {"u1"}


def taken(pod: Pod, version: int = 9) -> dict[str, Any]:
    """The KernelInstance once Another server has taken this kernel over."""
    return instance(version=version, server="other", **pod.status())


async def test_a_kernel_that_another_server_took_over_is_let_go(
    running: KubernetesProvisioner,
    cluster: Cluster,
    server: FakeApiServer,
    background: Background,
    pod: Pod,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A watch that selects by this server's label says DELETED of it; so did a restarter, and deleted it."""
    server.answers["GET", KERNEL] = [(200, taken(pod))]
    (await server.watches.get()).send("DELETED", instance(version=9, **pod.status()))
    assert await running.wait() == -9
    await running.poll()
    with pytest.raises(KernelDeletedError, match="Another server has taken this kernel over"):
        await running.launch_kernel([])
    await running.cleanup()
    await background.finish_errands(10)
    assert [call for call in server.calls() if call[0] != "GET"] == []
    assert not running.has_process


@pytest.mark.parametrize("ending", ["cleanup", "restart", "the end of the process"])
async def test_who_has_not_heard_of_a_take_over_does_no_harm(
    running: KubernetesProvisioner,
    cluster: Cluster,
    server: FakeApiServer,
    background: Background,
    pod: Pod,
    ending: str,
) -> None:
    """It was asleep. The API server refuses what was meant for an older version."""
    pod.answer = None
    server.answers["GET", KERNEL] = [(200, taken(pod))]
    for method in ("PATCH", "DELETE"):
        server.answers[method, KERNEL] = [failure(409, "Conflict")]
    if ending == "restart":
        with pytest.raises(KernelDeletedError, match="Another server has taken this kernel over"):
            await running.launch_kernel([])
    elif ending == "cleanup":
        await running.cleanup()
    else:
        background.shared.clear()
        await cluster.close()
    await background.finish_errands(10)
    writes = [body for method, path, body in server.requests if path == KERNEL and method != "GET"]
    versions = [(body.get("metadata") or body["preconditions"])["resourceVersion"] for body in writes]
    assert set(versions) == {"5"}


async def test_of_two_servers_that_take_over_one_wins(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod
) -> None:
    info = await running.get_provisioner_info()
    server.answers["GET", KERNEL] = [(200, instance(version=5, **pod.status())), (200, taken(pod))]
    server.answers["PATCH", KERNEL] = [failure(409, "Conflict")]
    late = KubernetesProvisioner(kubeconfig=running.kubeconfig)
    with pytest.raises(KernelDeletedError, match="Another server has taken this kernel over"):
        await late.load_provisioner_info(info)
    assert not late.has_process


async def test_a_forked_child_takes_over_what_it_restarts(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watch selects its own kernels: it would wait for its parent's in vain, and delete it."""
    child = HereAndNow()
    child.server = "child"
    monkeypatch.setattr(provisioner_module, "background", lambda: child)
    server.answers["GET", KERNEL] = [(200, instance(version=5, **pod.status()))]
    server.answers["PATCH", KERNEL] = [
        (200, instance(version=6, server="child", **pod.status())),
        (200, instance(version=7, server="child", **pod.status(restart=1))),
    ]
    server.answers["DELETE", LEASE.replace("-s", "-child")] = [(200, {})]
    assert await running.launch_kernel([]) == pod.info()
    labels = [body["metadata"].get("labels") for method, _, body in server.requests if method == "PATCH"]
    assert labels == [{"kubernel.dev/server": "child"}, None]
    await running.cleanup()
    await child.close()


async def test_a_forked_child_signals_and_deletes_what_its_parent_started(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = HereAndNow()
    monkeypatch.setattr(provisioner_module, "background", lambda: child)
    assert (running.has_process, polled(running)) == (True, None)
    await running.send_signal(signal.SIGUSR1)
    assert signals(pod) == [signal.SIGUSR1]
    await running.cleanup()
    assert polled(running) == -9
    assert server.calls()[-1] == ("DELETE", KERNEL)
    await child.close()
