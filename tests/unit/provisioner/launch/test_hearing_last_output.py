"""The last output of a kernel that has crashed: asked of its supervisor, and told to nobody but who asks."""

import logging
from typing import Any

import pytest

from fixtures.fake_api_server import instance
from fixtures.kernel_pod import KEY, Pod
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.launch.explaining import NO_SUPERVISOR, UNKNOWN_OUTPUT
from kubernel_wire.control import sealed

CRASHED = {"exitCode": 3, "reason": "KernelCrashed", "message": "The kernel ended with exit code 3."}
OUTPUT = "Its last output:\nlibfoo: out of luck"


def printed(text: str, generation: int = 0) -> dict[str, Any]:
    return {"ok": True, "generation": generation, "sealed": sealed(KEY, text)}


def crash(cluster: Cluster, pod: Pod, **more: Any) -> None:
    cluster.view.offer(instance(version=6, **pod.ended(**CRASHED | more)))


async def test_it_is_for_the_cell_and_nobody_else(
    running: KubernetesProvisioner, cluster: Cluster, pod: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pod.answer = printed("libfoo: out of luck\n")
    crash(cluster, pod)
    assert await running.poll() == 3
    told = await running.hear_last_output()
    assert "exit code 3" in told.splitlines()[0]
    assert OUTPUT in told
    assert told.index(OUTPUT) < told.index("More: kubernel events")
    assert "libfoo" not in running.describe_end()
    assert "libfoo" not in caplog.text


async def test_it_is_known_of_the_end_that_it_was_asked_for(
    running: KubernetesProvisioner, cluster: Cluster, pod: Pod
) -> None:
    """The restart is under way, or done, when the answer comes."""
    crash(cluster, pod)
    told = running.hear_last_output()
    await running.launch_kernel([])
    pod.answer = printed("libfoo: out of luck")
    assert OUTPUT in await told


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"ok": False, "error": "unknown op 'output'"},
        printed("another's", generation=1),
        {"ok": True, "generation": 0, "sealed": "?"},
    ],
    ids=["no answer", "an older supervisor", "another process", "garbage"],
)
async def test_a_supervisor_that_cannot_say(
    running: KubernetesProvisioner, cluster: Cluster, pod: Pod, answer: dict[str, Any] | None
) -> None:
    pod.answer = answer
    crash(cluster, pod)
    told = await running.hear_last_output()
    assert "exit code 3" in told
    assert UNKNOWN_OUTPUT in told


async def test_nothing_was_printed(running: KubernetesProvisioner, cluster: Cluster, pod: Pod) -> None:
    pod.answer = printed("\n")
    crash(cluster, pod)
    assert await running.hear_last_output() == running.describe_end()


async def test_an_image_without_python(running: KubernetesProvisioner, cluster: Cluster, pod: Pod) -> None:
    pod.is_supervised = False
    crash(cluster, pod)
    assert NO_SUPERVISOR in " ".join((await running.hear_last_output()).split())


async def test_an_end_that_needs_no_output(running: KubernetesProvisioner, cluster: Cluster, pod: Pod) -> None:
    """Its reason says it all, and its pod may be gone."""
    crash(cluster, pod, reason="OOMKilled", message="It used more memory than its limit.")
    assert await running.hear_last_output() == running.describe_end()
    assert [request["op"] for request in pod.requests] == []
