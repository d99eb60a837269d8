"""A node that goes away with a kernel on it.

The node is an object whose kubelet is this test, so that its silence disturbs nobody; taints, eviction and deletion are
the cluster's own.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from .conftest import Place
from .kernels import Json, Kernel

TAINT = "kubernel.test/lost"
UNREACHABLE = "node.kubernetes.io/unreachable"
NODES = "/api/v1/nodes"


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
        status = {"phase": "Running", "startTime": now, "containerStatuses": [running]}
        self._api.request("PATCH", f"{self._place.kernels.path('pods', pod)}/status", {"status": status})

    def fall_silent(self) -> None:
        """What Kubernetes says of a node whose kubelet it has not heard of for 40 s."""
        self._say("Unknown")

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


def test_node_lost(place: Place, node: Node) -> None:
    """The pod is never confirmed to have ended: the kernel has, and a restart does not wait for it."""
    kernel = place.kernels.create(**node.placement)
    first = on_node(kernel)
    node.start(first)
    node.fall_silent()
    status = kernel.reason("NodeLost")
    assert status["message"] == f"Pod {first} was deleted and {node.name} does not confirm its end."
    assert status["exit"]["reason"] == "NodeLost"
    kernel.wait("an Event", lambda: "NodeLost" in [event["reason"] for event in kernel.events()])
    kernel.restart(1)
    kernel.wait("another pod", lambda: kernel.child_names("pods") == [first, f"{kernel.name}-2"])
