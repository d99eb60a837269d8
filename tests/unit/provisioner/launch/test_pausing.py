"""What a pause writes, and how it is told how it went."""

from typing import Any

import pytest

from fixtures.fake_api_server import KERNEL, FakeApiServer, failure, instance
from fixtures.kernel_pod import Pod
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import (
    KernelDeletedError,
    KernelFailedError,
    KubernelError,
    NotPermittedError,
    OperatorNotRunningError,
)

Json = dict[str, Any]


def patched(pod: Pod, *, observed: int = 2, **fields: Any) -> tuple[int, Json]:
    """The API server's answer to the write, of a time when all has happened already."""
    found = instance(**{**pod.status(), "observedGeneration": observed, **fields})
    found["metadata"] |= {"generation": 2, "resourceVersion": "7"}
    return 200, found


@pytest.mark.parametrize("suspend", [True, False])
async def test_it_is_waited_for(running: KubernetesProvisioner, server: FakeApiServer, pod: Pod, suspend: bool) -> None:
    server.answers["PATCH", KERNEL] = [patched(pod)]
    await (running.pause() if suspend else running.resume())
    method, path, body = server.requests[-1]
    assert (method, path, body["spec"]) == ("PATCH", KERNEL, {"suspend": suspend})


async def test_no_operator_does_it(running: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> None:
    server.answers["PATCH", KERNEL] = [patched(pod, observed=1)]
    with pytest.raises(OperatorNotRunningError, match="The kernel is not paused after 0 s"):
        await running.pause(timeout_seconds=0)


async def test_a_kernel_that_has_ended(running: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> None:
    over = {"conditions": [{"type": "Finished", "status": "True"}], "message": "It used too much memory."}
    server.answers["PATCH", KERNEL] = [patched(pod, **over)]
    with pytest.raises(KernelFailedError, match=r"cannot be resumed: it has ended\.\nIt used too much memory"):
        await running.resume()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failure(404, "NotFound", name="k-1"), KernelDeletedError),
        (failure(403, "Forbidden"), NotPermittedError),
    ],
)
async def test_it_may_not_be_changed(
    running: KubernetesProvisioner, server: FakeApiServer, answer: Any, error: type[KubernelError]
) -> None:
    server.answers["PATCH", KERNEL] = [answer]
    with pytest.raises(error):
        await running.pause()


async def test_no_kernel(provisioner: KubernetesProvisioner) -> None:
    with pytest.raises(KernelDeletedError, match="There is no kernel to pause"):
        await provisioner.pause()


@pytest.mark.parametrize(("status", "why"), [("True", "It is paused."), ("False", "")])
async def test_why_it_stands_still(
    running: KubernetesProvisioner, cluster: Cluster, pod: Pod, status: str, why: str
) -> None:
    assert running.why_suspended == ""
    known = pod.status()
    said = {"type": "Suspended", "status": status, "reason": "Paused", "message": "It is paused."}
    cluster.view.offer(instance(version=6, **{**known, "conditions": [*known.get("conditions", []), said]}))
    assert running.why_suspended == why
