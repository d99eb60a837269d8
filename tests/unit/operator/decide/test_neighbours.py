"""Containers that others put into a kernel's pod: service meshes, agents, admission webhooks. M15, F2, F3."""

from typing import Any

import pytest

from fixtures.objects import NOW, SETTINGS, cr, pod, ready_status, report, seen, terminated
from kubernel_api.conditions import Reason
from kubernel_operator.decide.endings import Ending, ending_of_pod
from kubernel_operator.decide.reasons import pending_reason
from kubernel_operator.decide.situation import Stage, situation
from kubernel_operator.decide.status import build_status
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.kinds import PODS
from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import pod_facts


def neighbour(state: dict[str, Any], name: str = "a-proxy") -> dict[str, Any]:
    return {"name": name, "image": "mesh:1", "state": state}


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


RUNS: dict[str, Any] = {"running": {}}
ENDED = {"terminated": {"exitCode": 7, "reason": "Error"}}
DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}
INITIALIZING = waits("PodInitializing")


def words(observed: Observed, status: dict[str, Any] | None = None) -> tuple[str, str]:
    kernel = kernel_facts(cr(status=status))
    built = build_status(kernel, situation(kernel, observed, NOW), observed, SETTINGS, NOW)
    return built["reason"], built["message"]


@pytest.mark.parametrize("state", [pytest.param(ENDED, id="failed"), pytest.param(DONE, id="completed")])
@pytest.mark.parametrize("known", [pytest.param(report(), id="it reports"), pytest.param(None, id="operator is new")])
def test_a_kernel_outlives_its_neighbours(state: dict[str, Any], known: Any) -> None:
    observed = seen(pod(others=(neighbour(state),)), report=known)
    kernel = kernel_facts(cr(status=ready_status()))
    assert situation(kernel, observed, NOW).stage is Stage.RUNNING


def test_a_neighbour_s_end_is_said() -> None:
    reason, message = words(seen(pod(others=(neighbour(ENDED),)), report=report()))
    assert reason == "Running"
    assert "a-proxy (exit code 7)" in message


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        pytest.param(
            pod(others=(neighbour(waits("ImagePullBackOff")),)), "a-proxy (ImagePullBackOff)", id="not pulled"
        ),
        pytest.param(
            pod(inits=(neighbour(waits("CrashLoopBackOff"), "mesh"),)), "mesh (CrashLoopBackOff)", id="a native sidecar"
        ),
        pytest.param(pod(others=(neighbour(waits("ContainerCreating")),)), "", id="on its way"),
        pytest.param(pod(others=(neighbour(RUNS),)), "", id="running"),
        pytest.param(pod(inits=(neighbour(DONE, "init"),)), "", id="done"),
    ],
)
def test_a_neighbour_that_does_not_run_is_said(beside: dict[str, Any], said: str) -> None:
    """Its pod is not ready for Kubernetes, and the kernel's Service leads nowhere."""
    beside["spec"]["initContainers"] = [{"name": "mesh", "restartPolicy": "Always"}, {"name": "init"}]
    reason, message = words(seen(beside, report=report()))
    assert reason == "Running"
    assert said in message
    assert ("takes no new connections" in message) == bool(said)


def test_a_kernel_s_end_is_seen_beside_a_neighbour_that_runs() -> None:
    """The pod's phase stays Running until the proxy ends, too."""
    ended = pod(**terminated(42) | {"phase": "Running"}, others=(neighbour(RUNS),))
    found = situation(kernel_facts(cr(status=ready_status())), seen(ended), NOW)
    assert (found.stage, found.ending and found.ending.exit_code) == (Stage.EXITED, 42)
    restarting = kernel_facts(cr(status=ready_status(), restartGeneration=1))
    assert situation(restarting, seen(ended), NOW).stage is Stage.NEEDS_POD


@pytest.mark.parametrize(
    ("pending", "reason", "message"),
    [
        pytest.param(
            pod(phase="Pending", state=waits("ErrImagePull", "no such image"), others=(neighbour(RUNS),)),
            Reason.IMAGE_PULL_FAILED,
            "The image example.org/kernel:1 cannot be pulled (ErrImagePull): no such image",
            id="a proxy runs, the kernel's image cannot be pulled",
        ),
        pytest.param(
            pod(phase="Pending", state=waits("InvalidImageName", "bad"), others=(neighbour(RUNS),)),
            Reason.INVALID_IMAGE_NAME,
            "The image name example.org/kernel:1 is not valid: bad; correct spec.image",
            id="a proxy runs, the kernel's image is none",
        ),
        pytest.param(
            pod(phase="Pending", state=RUNS, others=(neighbour(waits("ErrImagePull")),)),
            Reason.KERNEL_STARTING,
            "The container runs; the kernel does not answer yet.",
            id="the kernel runs, a proxy cannot be pulled",
        ),
        pytest.param(
            pod(phase="Pending", state=INITIALIZING, inits=(neighbour(RUNS, "mesh-init"),)),
            Reason.CONTAINER_CREATING,
            "The pod waits for init container mesh-init.",
            id="an init container takes its time",
        ),
        pytest.param(
            pod(
                phase="Pending",
                state=INITIALIZING,
                inits=(neighbour(DONE, "first"), neighbour(INITIALIZING, "second")),
            ),
            Reason.CONTAINER_CREATING,
            "The pod waits for init container second.",
            id="the first has done its work",
        ),
        pytest.param(
            pod(phase="Pending", state=INITIALIZING, inits=(neighbour(waits("ErrImagePull", "no"), "mesh-init"),)),
            Reason.IMAGE_PULL_FAILED,
            "The image mesh:1 of container mesh-init cannot be pulled (ErrImagePull): no",
            id="its image cannot be pulled",
        ),
        pytest.param(
            pod(
                phase="Pending",
                state=INITIALIZING,
                inits=(neighbour(waits("CreateContainerError", "no command specified"), "mesh-init"),),
            ),
            Reason.CONFIG_ERROR,
            "Container mesh-init cannot be created (CreateContainerError): no command specified",
            id="it cannot be made",
        ),
        pytest.param(
            pod(phase="Pending", state=INITIALIZING, inits=(neighbour(ENDED, "mesh-init"),)),
            Reason.CONFIG_ERROR,
            "The kernel cannot start: init container mesh-init ended with exit code 7.",
            id="it failed, the pod's phase does not say so yet",
        ),
    ],
)
def test_why_a_pod_waits(pending: dict[str, Any], reason: Reason, message: str) -> None:
    assert pending_reason(pod_facts(pending)) == (reason, message)


def sidecar(its_state: dict[str, Any], *, started: bool, **kernel: Any) -> dict[str, Any]:
    """A pod with a native sidecar: an init container that is started again when it ends."""
    made = pod(inits=({**neighbour(its_state, "logs"), "started": started},), **kernel)
    made["spec"]["initContainers"] = [{"name": "logs", "restartPolicy": "Always"}]
    return made


def test_a_native_sidecar_that_runs_is_not_waited_for() -> None:
    waiting = sidecar(RUNS, started=True, phase="Pending", state=waits("ErrImagePull", "no"))
    assert pending_reason(pod_facts(waiting))[0] is Reason.IMAGE_PULL_FAILED


@pytest.mark.parametrize("state", [ENDED, waits("CrashLoopBackOff")])
def test_a_native_sidecar_that_keeps_ending_may_heal(state: dict[str, Any]) -> None:
    waiting = pod_facts(sidecar(state, started=False, phase="Pending", state=INITIALIZING))
    assert pending_reason(waiting) == (Reason.CONTAINER_CREATING, "The pod waits for init container logs.")


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param({"restartPolicy": "OnFailure"}, id="policy"),
        pytest.param({"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart"}]}, id="rules"),
    ],
)
def test_an_init_container_that_is_tried_again_may_heal(policy: dict[str, Any]) -> None:
    """Kubernetes 1.35: a container may have a restart policy of its own. The last try makes the pod Failed."""
    made = pod(phase="Pending", state=INITIALIZING, inits=(neighbour(ENDED, "mesh-init"),))
    made["spec"]["initContainers"] = [{"name": "mesh-init", **policy}]
    waits_for = (Reason.CONTAINER_CREATING, "The pod waits for init container mesh-init.")
    assert pending_reason(pod_facts(PODS.cut(made))) == waits_for


def test_a_native_sidecar_that_ends_is_no_end_of_the_kernel() -> None:
    assert ending_of_pod(pod_facts(sidecar(ENDED, started=False)), 0, NOW) is None


def test_an_init_container_that_failed_is_no_crash() -> None:
    ended = pod(phase="Failed", state=INITIALIZING, inits=(neighbour(ENDED, "mesh-init"),))
    message = "The kernel cannot start: init container mesh-init ended with exit code 7."
    assert ending_of_pod(pod_facts(ended), 0, NOW) == Ending(0, Reason.CONFIG_ERROR, message, NOW, final=True)
