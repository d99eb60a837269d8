"""cpu and memory of a living kernel: its pod is resized, and whatever comes of it is told. The node is a real one."""

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.api_client import Json
from kubernel_api.conditions import ConditionType, find_condition, is_true

from .conftest import Place, only
from .kernels import Kernel, Kernels

SMALL = {"limits": {"memory": "128Mi"}}


def resizing(status: Json) -> Json:
    """The condition Resizing, {} before there is one."""
    return find_condition(status.get("conditions") or [], ConditionType.RESIZING) or {}


def resized(kernel: Kernel, reason: str) -> Json:
    """Its status as soon as the newest resize has come to that, and the spec is said to be looked at."""
    generation = kernel.get()["metadata"]["generation"]
    return kernel.wait_status(
        f"Resizing with {reason}",
        lambda s: resizing(s).get("reason") == reason and s["observedGeneration"] == generation,
    )


def memory(status: Json) -> str:
    """The limit that is in force."""
    limit: str = status["resources"]["limits"]["memory"]
    return limit


def events(kernel: Kernel) -> list[str]:
    """The reasons of its Events about resizes."""
    return [e["reason"] for e in kernel.events() if e["reason"].startswith("Resize")]


@pytest.fixture
def kernel(kernels: Kernels) -> Kernel:
    """A small one that is ready."""
    return kernels.start(resources=SMALL)


def test_more_and_less_while_it_runs(kernel: Kernel) -> None:
    assert memory(kernel.status) == "128Mi"
    (before,) = kernel.children("pods")
    kernel.patch(resources={"limits": {"memory": "256Mi"}})
    status = resized(kernel, "Resized")
    (pod,) = kernel.children("pods")
    assert (memory(status), is_true(status, ConditionType.READY)) == ("256Mi", True)
    assert (pod["metadata"]["uid"], status["restartCount"]) == (before["metadata"]["uid"], 0)
    # Nobody named a request: Kubernetes made it equal to the limit, and it stays so.
    assert pod["spec"]["containers"][0]["resources"]["requests"]["memory"] == "256Mi"
    kernel.wait("an Event", lambda: events(kernel) == ["Resized"])


def test_a_restart_keeps_the_new_size_and_a_new_pod_starts_with_it(kernel: Kernel) -> None:
    kernel.patch(resources={"limits": {"memory": "256Mi"}})
    resized(kernel, "Resized")
    kernel.restart(1)
    assert memory(kernel.ready(1).status) == "256Mi"
    kernel.delete_pod(kernel.status["podName"])
    kernel.exited()
    kernel.restart(2)
    status = kernel.ready(2).status
    assert (memory(status), status["podIncarnation"]) == ("256Mi", 2)


def test_all_that_is_equal_stays_equal(kernels: Kernels) -> None:
    kernel = kernels.start(resources={"limits": {"cpu": "200m", "memory": "128Mi"}})
    kernel.patch(resources={"limits": {"cpu": "400m", "memory": "256Mi"}})
    status = resized(kernel, "Resized")
    (pod,) = kernel.children("pods")
    assert (pod["status"]["qosClass"], status["resources"]["requests"]) == (
        "Guaranteed",
        {"cpu": "400m", "memory": "256Mi"},
    )


def test_more_than_the_node_has(kernel: Kernel) -> None:
    kernel.patch(resources={"limits": {"memory": "100Ti"}})
    status = resized(kernel, "ResizeInfeasible")
    assert "The resize to memory 100Ti is not possible on node" in resizing(status)["message"]
    assert (memory(status), is_true(status, ConditionType.READY)) == ("128Mi", True)
    assert status["message"] == f"The kernel is ready. {resizing(status)['message']}"
    kernel.patch(resources={"limits": {"memory": "256Mi"}})
    assert memory(resized(kernel, "Resized")) == "256Mi"
    kernel.wait("both Events", lambda: events(kernel) == ["ResizeInfeasible", "Resized"])


def test_more_than_the_node_has_now(kernels: Kernels, kernel: Kernel) -> None:
    """Two kernels want all of it."""
    node = kernels.api.request("GET", f"/api/v1/nodes/{kernel.status['nodeName']}")
    kernel.patch(resources={"limits": {"memory": node["status"]["allocatable"]["memory"]}})
    status = resized(kernel, "ResizeDeferred")
    assert "waits until node" in resizing(status)["message"]
    assert (memory(status), resizing(status)["status"], status["reason"]) == ("128Mi", "True", "Running")


@pytest.fixture
def quota(kernels: Kernels) -> Iterator[str]:
    """A ResourceQuota that leaves room for one small kernel, in force."""
    path = kernels.path("resourcequotas", "small")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
    kernels.api.request("POST", kernels.path("resourcequotas"), {**quota, "spec": {"hard": {"limits.memory": "200Mi"}}})
    kernel = Kernel(kernels, "quota")
    try:
        kernel.wait("enforcement", lambda: kernels.api.request("GET", path)["status"].get("hard"))
        yield path
    finally:
        kernels.api.request("DELETE", path)


def test_more_than_the_quota_allows(kernels: Kernels, quota: str) -> None:
    kernel = kernels.start(resources=SMALL)
    kernel.patch(resources={"limits": {"memory": "256Mi"}})
    status = resized(kernel, "ResizeRefused")
    assert "exceeded quota: small, requested: limits.memory=128Mi" in resizing(status)["message"]
    assert (memory(status), is_true(status, ConditionType.READY)) == ("128Mi", True)
    kernel.wait("an Event", lambda: events(kernel) == ["ResizeRefused"])
    kernel.patch(resources={"limits": {"memory": "192Mi"}})
    assert memory(resized(kernel, "Resized")) == "192Mi"


def test_more_than_a_limit_range_allows(kernels: Kernels) -> None:
    limits: dict[str, Any] = {"limits": [{"type": "Container", "max": {"memory": "200Mi"}}]}
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": limits}
    kernels.api.request("POST", kernels.path("limitranges"), body)
    try:
        kernel = kernels.start(resources=SMALL)
        kernel.patch(resources={"limits": {"memory": "256Mi"}})
        status = resized(kernel, "ResizeRefused")
    finally:
        kernels.api.request("DELETE", kernels.path("limitranges", "small"))
    assert "maximum memory usage per Container is 200Mi" in resizing(status)["message"]


def test_a_change_that_the_qos_class_does_not_allow(kernels: Kernels) -> None:
    """The spec alone does not show it: Kubernetes made the requests."""
    kernel = kernels.start(resources={"limits": {"cpu": "200m", "memory": "128Mi"}})
    kernel.patch(resources={"requests": {"memory": "64Mi"}})
    status = resized(kernel, "ResizeRefused")
    assert "a living pod keeps its QoS class" in resizing(status)["message"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_operator_that_is_killed_at_the_resize(place: Place, when: str) -> None:
    kernel = place.kernels.start(resources=SMALL)
    place.kill_at(only(verb="patch", resource="pods/resize"), when)
    kernel.patch(resources={"limits": {"memory": "256Mi"}})
    place.revive()
    generation = kernel.get()["metadata"]["generation"]
    # The kubelet shows the new amounts before it says that the resize has ended. Nobody needs to be told of one that
    # came through while no operator ran.
    kernel.wait_status(
        "the new size, and nothing on its way",
        lambda s: (
            memory(s) == "256Mi" and s["observedGeneration"] == generation and not is_true(s, ConditionType.RESIZING)
        ),
    )
