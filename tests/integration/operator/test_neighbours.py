"""Pods that are not as we made them: admission webhooks add containers, deadlines and gates. The kubelet is a real one.

The proxy between operator and API server plays the webhook: it changes pods on their way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.api_client import Json

from .conftest import Place
from .fault_proxy import Fault, Request
from .kernels import Kernel


def inject(place: Place, change: Callable[[Json], None]) -> None:
    """From now on pods of the place are changed when they are created."""

    def rule(request: Request) -> Fault:
        return Fault(change=change) if (request.verb, request.resource) == ("create", "pods") else Fault()

    place.proxy.rule = rule


def neighbour(pod: Json, name: str, script: str, **fields: Any) -> Json:
    """A container that runs a shell script in the kernel's image."""
    kernel = pod["spec"]["containers"][-1]
    container = {"name": name, "image": kernel["image"], "imagePullPolicy": kernel["imagePullPolicy"]}
    return {**container, "command": ["sh", "-c", script], "securityContext": kernel["securityContext"], **fields}


def beside(script: str) -> Callable[[Json], None]:
    """A container in front of the kernel's."""

    def change(pod: Json) -> None:
        pod["spec"]["containers"].insert(0, neighbour(pod, "a-proxy", script))

    return change


def before(script: str, **fields: Any) -> Callable[[Json], None]:
    """An init container."""

    def change(pod: Json) -> None:
        pod["spec"]["initContainers"] = [neighbour(pod, "mesh-init", script, **fields)]

    return change


def container_state(kernel: Kernel, name: str) -> Json:
    """What the kubelet says of a container."""
    (pod,) = kernel.children("pods")
    statuses = pod["status"].get("containerStatuses") or []
    return next((s["state"] for s in statuses if s["name"] == name), {})


@pytest.mark.parametrize("code", [0, 7])
def test_a_kernel_outlives_a_proxy(place: Place, code: int) -> None:
    """M15: it was declared dead, and deleted half a minute later."""
    inject(place, beside(f"sleep 2; exit {code}"))
    kernel = place.kernels.create(connection={"service": "ClusterIP"}).ready()
    kernel.wait("the proxy's end", lambda: "terminated" in container_state(kernel, "a-proxy"))
    status = kernel.wait_status("a word about it", lambda s: f"a-proxy (exit code {code})" in s["message"])
    assert (status["phase"], status["reason"]) == ("Running", "Running")
    path = place.kernels.path("endpointslices", group="discovery.k8s.io/v1")

    def is_left_out() -> bool:
        slices = place.api.request("GET", path, labelSelector=f"kubernetes.io/service-name=kernel-{kernel.name}")
        return [e["conditions"]["ready"] for s in slices["items"] for e in s.get("endpoints") or []] == [False]

    kernel.wait("what the message says of the Service", is_left_out)
    kernel.do("os._exit(42)")
    assert kernel.exited()["exitCode"] == 42


def test_a_kernel_ends_beside_a_proxy_that_runs(place: Place) -> None:
    inject(place, beside("sleep 600"))
    kernel = place.kernels.create(lifecycle={"ttlSecondsAfterFinished": 3600}).ready()
    kernel.do("os._exit(42)")
    assert kernel.exited()["exitCode"] == 42
    kernel.finished()
    kernel.wait("the pod is taken away", lambda: not kernel.children("pods"))


def test_a_native_sidecar(place: Place) -> None:
    inject(place, before("sleep 600", restartPolicy="Always"))
    kernel = place.kernels.start()
    assert kernel.status["message"] == "The kernel is ready."
    kernel.do("os._exit(0)")
    assert kernel.exited()["reason"] == "Completed"


def test_a_native_sidecar_that_keeps_ending(place: Place) -> None:
    """The kubelet starts it again and again; before the kernel it has to be started once."""
    inject(place, before("sleep 3; exit 5", restartPolicy="Always"))
    kernel = place.kernels.start()

    def has_ended_twice() -> bool:
        (pod,) = kernel.children("pods")
        return pod["status"]["initContainerStatuses"][0]["restartCount"] >= 2

    kernel.wait("its second end", has_ended_twice)
    assert kernel.status["reason"] == "Running"
    kernel.do("os._exit(42)")
    assert kernel.exited()["exitCode"] == 42


def test_an_ephemeral_container(place: Place) -> None:
    """`kubectl debug` puts one into a pod that runs; it ends with 9, and nothing else does."""
    kernel = place.kernels.start()
    (pod,) = kernel.children("pods")
    debugger = neighbour(pod, "debugger", "exit 9", targetContainerName="kernel")
    path = f"{place.kernels.path('pods', pod['metadata']['name'])}/ephemeralcontainers"
    place.api.request("PATCH", path, {"spec": {"ephemeralContainers": [debugger]}})

    def has_ended() -> bool:
        (found,) = kernel.children("pods")
        states = [s["state"] for s in found["status"].get("ephemeralContainerStatuses") or []]
        return any("terminated" in state for state in states)

    kernel.wait("its end", has_ended)
    kernel.do("os._exit(42)")
    assert kernel.exited()["exitCode"] == 42


def test_an_init_container_out_of_memory(place: Place) -> None:
    small = {"limits": {"memory": "16Mi"}}
    inject(place, before("python -c 'bytearray(1 << 28)'", resources=small))
    status = place.kernels.create().finished()
    assert status["reason"] == "ConfigError"
    assert status["message"].startswith("The kernel cannot start: init container mesh-init ended with exit code 137")


def test_an_init_container_that_fails(place: Place) -> None:
    inject(place, before("exit 3"))
    status = place.kernels.create().finished()
    assert (status["reason"], status["message"]) == (
        "ConfigError",
        "The kernel cannot start: init container mesh-init ended with exit code 3.",
    )
    assert "exitCode" not in status["exit"]


def test_an_init_container_that_takes_its_time(place: Place) -> None:
    inject(place, before("sleep 5"))
    kernel = place.kernels.create()
    kernel.wait_status("a word about it", lambda s: s["message"] == "The pod waits for init container mesh-init.")
    kernel.ready()


def test_an_init_container_without_an_image(place: Place) -> None:
    inject(place, before("exit 0", image="127.0.0.1:9/none:1", imagePullPolicy="Always"))
    status = place.kernels.create().reason("ImagePullFailed")
    assert "mesh-init" in status["message"]


def test_a_pod_that_its_node_refuses_is_replaced(place: Place) -> None:
    """M16: there was no room after all; the scheduler is not asked here, so that it is so every time."""
    nodes = place.api.request("GET", "/api/v1/nodes")["items"]
    node = next(n["metadata"]["name"] for n in nodes if not n["spec"].get("taints"))  # not one that a test made up

    def change(pod: Json) -> None:
        if pod["metadata"]["annotations"]["kubernel.dev/incarnation"] == "1":
            pod["spec"]["nodeName"] = node
            pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000"}}

    inject(place, change)
    kernel = place.kernels.create()
    status = kernel.reason("PodReplaced")
    assert "OutOfcpu" in status["message"]
    assert kernel.ready().status["podIncarnation"] == 2


def test_a_deadline_that_somebody_gave_the_pod(place: Place) -> None:
    """F4: the kubelet's SIGTERM was a crash of the kernel."""

    def change(pod: Json) -> None:
        pod["spec"]["activeDeadlineSeconds"] = 8

    inject(place, change)
    kernel = place.kernels.start()
    status = kernel.reason("DeadlineExceeded")
    assert "longer than the specified deadline" in status["message"]
    assert status["exit"]["reason"] == "DeadlineExceeded"


def test_a_hook_that_fails_is_named(place: Place) -> None:
    """The kubelet ends the container, and tells why in Events only."""

    def change(pod: Json) -> None:
        hook = {"exec": {"command": ["sh", "-c", "sleep 1; exit 4"]}}
        pod["spec"]["containers"][-1]["lifecycle"] = {"postStart": hook}

    inject(place, change)
    exit_ = place.kernels.create().exited()
    assert exit_["message"] == "The node ended the kernel's container: PostStartHook failed."


def test_a_disk_that_is_full_is_an_eviction(place: Place) -> None:
    """F4: the supervisor reports the SIGTERM before the kubelet says why."""
    kernel = place.kernels.start(resources={"limits": {"ephemeral-storage": "20Mi"}})
    kernel.do("open('/tmp/big', 'wb').write(bytes(64 << 20))")
    status = kernel.reason("Evicted")
    assert "ephemeral" in status["message"]


def test_a_scheduling_gate(place: Place) -> None:
    def change(pod: Json) -> None:
        pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "team-a"
        pod["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]

    inject(place, change)
    kernel = place.kernels.create()
    status = kernel.reason("SchedulingGated")
    assert status["message"] == "The pod waits in Kueue's queue team-a: there is no quota for it yet."
    (pod,) = kernel.child_names("pods")
    place.api.request("PATCH", place.kernels.path("pods", pod), {"spec": {"schedulingGates": None}})
    kernel.ready()


def test_what_kueue_takes_back_is_queued_again(place: Place) -> None:
    """It says so in a condition of its own, deletes the pod, and keeps it by a finalizer until it has ended."""

    def change(pod: Json) -> None:
        pod["metadata"]["finalizers"] = ["kubernel.test/kueue"]
        pod["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}, {"name": "kubernel.test/other"}]

    inject(place, change)
    kernel = place.kernels.create()
    assert "kubernel.test/other" in kernel.reason("SchedulingGated")["message"]
    (pod,) = kernel.child_names("pods")
    path = place.kernels.path("pods", pod)
    why = {"type": "TerminationTarget", "status": "True", "reason": "StoppedByKueue", "message": "Preempted by a test"}
    place.api.request("PATCH", f"{path}/status", {"status": {"conditions": [why]}})
    place.proxy.reset()
    kernel.delete_pod(pod)
    status = kernel.reason("PodReplaced")
    assert "Kueue took pod" in status["message"]
    assert kernel.ready().status["podIncarnation"] == 2
    place.api.request("PATCH", path, {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("field", ["annotations", "labels"])
def test_a_webhook_that_takes_what_is_ours(place: Place, field: str) -> None:
    """Nobody would know the pod again; for a restart another one was made without end."""
    inject(place, lambda pod: pod["metadata"].update({field: {"example.org/other": "yes"}}))
    kernel = place.kernels.create(restartGeneration=1)
    status = kernel.reason("ConfigError")
    assert "somebody changed metadata." in status["message"]
    kernel.wait("no pod is left", lambda: not place.api.request("GET", place.kernels.path("pods"))["items"])
    place.proxy.reset()
    kernel.ready(1)


@pytest.mark.parametrize("resource", ["pods", "secrets", "services"])
def test_a_webhook_that_is_down(place: Place, resource: str) -> None:
    """M17: the user read that the pod was being created, until the deadline."""
    place.proxy.rule = lambda r: Fault(status=500) if (r.verb, r.resource) == ("create", resource) else Fault()
    kernel = place.kernels.create(connection={"service": "ClusterIP"})
    status = kernel.reason("APIError")
    assert "the fault proxy says 500" in status["message"]
    place.proxy.reset()
    kernel.ready()
