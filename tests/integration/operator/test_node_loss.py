"""A node that goes away with a kernel on it.

The node is an object whose kubelet is this test, so that its silence disturbs nobody; taints, eviction and deletion are
the cluster's own.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fixtures.waiting import wait_until

from .conftest import Place
from .kernels import Json, Kernel

TAINT = "kubernel.test/lost"
UNREACHABLE = "node.kubernetes.io/unreachable"
NODES = "/api/v1/nodes"
GRACE_SECONDS = 120.0  # 50 s unless the cluster says otherwise


class Node:
    """A node for the pods of one namespace."""

    def __init__(self, place: Place) -> None:
        self._place, self._api = place, place.api
        self.name = f"lost-{place.namespace}"
        self._path = f"{NODES}/{self.name}"
        # Kubernetes gives a pod 300 s before it leaves an unreachable node; this one leaves at once.
        evicted = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
        self.placement: Json = {
            "nodeSelector": {TAINT: place.namespace},
            "tolerations": [{"key": TAINT, "operator": "Exists", "effect": "NoSchedule"}, evicted],
        }

    def join(self) -> None:
        """Becomes part of the cluster."""
        taints = [{"key": TAINT, "effect": "NoSchedule"}]
        metadata = {"name": self.name, "labels": {TAINT: self._place.namespace}}
        self._api.request("POST", NODES, {"kind": "Node", "metadata": metadata, "spec": {"taints": taints}})
        room = {"cpu": "4", "memory": "8Gi", "pods": "10"}
        self._say("True", capacity=room, allocatable=room)

    def start(self, pod: str) -> None:
        """Says that a pod runs, as a kubelet does."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        container = {"name": "kernel", "image": "any", "imageID": "", "ready": True, "restartCount": 0}
        running = {**container, "state": {"running": {"startedAt": now}}}
        conditions = [{"type": type_, "status": "True"} for type_ in ("PodScheduled", "Ready", "ContainersReady")]
        status = {"phase": "Running", "startTime": now, "containerStatuses": [running], "conditions": conditions}
        self._api.request("PATCH", f"{self._place.kernels.path('pods', pod)}/status", {"status": status})

    def fall_silent(self) -> None:
        """What Kubernetes says of a node whose kubelet it has not heard of for 40 s."""
        self._say("Unknown")

    def until_missed(self, pod: str) -> None:
        """Says nothing until the node controller says so of the pod.

        It does that only where it missed the node's heartbeats itself, for ``--node-monitor-grace-period``.
        """
        wait_until("a pod that is not Ready", lambda: not self._is_ready(pod), seconds=GRACE_SECONDS)

    def _is_ready(self, pod: str) -> bool:
        found = self._api.request("GET", self._place.kernels.path("pods", pod))
        return bool({c["type"]: c["status"] for c in found["status"]["conditions"]}.get("Ready") == "True")

    def taint(self) -> None:
        """The administrator wants all pods to leave."""
        taints = [{"key": "kubernel.test/maintenance", "effect": "NoExecute"}]
        self._api.request("PATCH", self._path, {"spec": {"taints": taints}})

    def confirm_end(self, pod: str) -> None:
        """Deletes a pod that is being deleted, as a kubelet does when its containers have ended."""
        self._api.request("DELETE", self._place.kernels.path("pods", pod), {"gracePeriodSeconds": 0})

    def leave(self) -> None:
        """The administrator removes it, and what it ran."""
        for pod in self._api.request("GET", self._place.kernels.path("pods"))["items"]:
            if pod["spec"].get("nodeName") == self.name:
                path = self._place.kernels.path("pods", pod["metadata"]["name"])
                self._api.request("DELETE", path, {"gracePeriodSeconds": 0})
        self._api.request("DELETE", self._path)

    def _say(self, ready: str, **status: Json) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"type": "Ready", "status": ready, "reason": "Test", "message": ""}
        times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
        self._api.request("PATCH", f"{self._path}/status", {"status": {**status, "conditions": [condition | times]}})


@pytest.fixture
def node(place: Place) -> Iterator[Node]:
    node = Node(place)
    node.join()
    yield node
    node.leave()


def on_node(kernel: Kernel) -> str:
    """Its newest pod, as soon as it has a node."""

    def look() -> str | None:
        pod = max(kernel.children("pods"), key=lambda pod: str(pod["metadata"]["name"]), default={"spec": {}})
        return str(pod["metadata"]["name"]) if pod["spec"].get("nodeName") else None

    return str(kernel.wait("a node", look))


def say_ready(place: Place, kernel: Kernel, pod: str) -> None:
    """There is no supervisor on this node: that the kernel was Ready is said by the test."""
    kernel.reason("KernelStarting")
    ready = {"type": "Ready", "status": "True", "reason": "Running", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"restartGeneration": 0, "podName": pod, "podIncarnation": 1, "conditions": [ready]}
    place.api.request("PATCH", f"{place.kernels.instance_path(kernel.name)}/status", {"status": status})
    kernel.reason("Running")


def test_node_lost(place: Place, node: Node) -> None:
    """The pod is never confirmed to have ended: the kernel has, and a restart does not wait for it."""
    kernel = place.kernels.create(**node.placement)
    first = on_node(kernel)
    node.start(first)
    say_ready(place, kernel, first)
    node.fall_silent()
    status = kernel.reason("NodeLost")
    assert status["message"] == f"Pod {first} was deleted and {node.name} does not confirm its end."
    assert status["exit"]["reason"] == "NodeLost"
    kernel.wait("an Event", lambda: "NodeLost" in [event["reason"] for event in kernel.events()])
    kernel.restart(1)
    kernel.wait("another pod", lambda: kernel.child_names("pods") == [first, f"{kernel.name}-2"])


def test_a_node_that_is_lost_before_its_kernel_was_ready(place: Place, node: Node) -> None:
    """M16: nobody has lost anything, so that another pod is tried."""
    kernel = place.kernels.create(**node.placement)
    first = on_node(kernel)
    node.start(first)
    kernel.reason("KernelStarting")
    node.fall_silent()
    status = kernel.reason("PodReplaced")
    assert f"{node.name} does not confirm its end." in status["message"]
    kernel.wait("another pod", lambda: kernel.child_names("pods") == [first, f"{kernel.name}-2"])


@pytest.mark.parametrize("operator_is", ["quick", "late"])
def test_a_node_that_is_to_be_empty(place: Place, node: Node, operator_is: str) -> None:
    """Its administrator gives it a taint; nothing is wrong with it. A late operator sees it gone at once."""
    kernel = place.kernels.create(**node.placement)
    pod = on_node(kernel)
    node.start(pod)
    say_ready(place, kernel, pod)
    if operator_is == "late":
        place.operator.pause()
    node.taint()
    kernel.wait("the pod's deletion", lambda: "deletionTimestamp" in kernel.children("pods")[0]["metadata"])
    node.confirm_end(pod)
    if operator_is == "late":
        place.operator.resume()
    status = kernel.reason("Evicted")
    assert "its node has a taint that it does not tolerate" in status["message"]


def test_a_node_that_is_silent_for_a_while(place: Place, node: Node) -> None:
    """M6: it was Ready until the eviction."""
    patient = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 600}
    tolerations = [node.placement["tolerations"][0], patient]
    kernel = place.kernels.create(nodeSelector=node.placement["nodeSelector"], tolerations=tolerations)
    pod = on_node(kernel)
    node.start(pod)
    say_ready(place, kernel, pod)
    node.until_missed(pod)
    silent = kernel.reason("NodeUnreachable")
    assert silent["message"].startswith(f"Node {node.name} does not answer")
    assert [c["status"] for c in silent["conditions"] if c["type"] == "Ready"] == ["Unknown"]
    node.start(pod)  # it was not gone after all
    kernel.ready()
