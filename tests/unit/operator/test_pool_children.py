"""What a pool's pods need beside themselves, and what its status says when they do not get it."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.objects import SUPERVISOR_MAP
from fixtures.operator_world import World
from fixtures.pools import apply_pool, members, settle
from kubernel_api.conditions import ConditionType, is_true
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ClusterError

CONFIG_MAP = f"/api/v1/namespaces/ns/configmaps/{SUPERVISOR_MAP}"
WEBHOOK = "failed calling webhook: connection refused"
DOWN = ApiUnavailableError("500", status=500, reason="InternalError", message=WEBHOOK)
QUOTA = ApiError(403, "Forbidden", "exceeded quota: few")


@pytest.fixture
def world() -> World:
    """An operator that does not know what is in the namespace."""
    world = World()
    world.start_operator(supervisor=False)
    return world


def said(world: World) -> tuple[str, str]:
    status = world.cluster.objects["/apis/kubernel.dev/v1beta1/namespaces/ns/kernelpools/pool"]["status"]
    ready: dict[str, Any] = status["conditions"][0]
    return ready["reason"], ready["message"]


@pytest.mark.parametrize(
    ("child", "kind", "error", "reason", "words"),
    [
        ("configmaps", "ConfigMap", QUOTA, "QuotaExceeded", "refused: exceeded quota: few"),
        ("configmaps", "ConfigMap", DOWN, "APIError", f"could not be created yet, it is tried again: {WEBHOOK} (500)"),
        ("secrets", "Secret", QUOTA, "QuotaExceeded", "refused: exceeded quota: few"),
        ("services", "Service", DOWN, "APIError", f"could not be created yet, it is tried again: {WEBHOOK} (500)"),
        ("pods", "Pod", QUOTA, "QuotaExceeded", "refused: exceeded quota: few"),
    ],
)
def test_what_is_in_the_way_is_named(
    world: World, child: str, kind: str, error: ClusterError, reason: str, words: str
) -> None:
    world.cluster.refusals[child] = error
    apply_pool(world, service="ClusterIP")
    world.watch()
    world.fill()
    assert said(world) == (reason, f"{kind} {words}")
    world.cluster.refusals.clear()
    for _ in range(6):
        settle(world)
    assert said(world)[0] == "Filled"


def test_no_pod_is_made_that_would_have_no_supervisor(world: World) -> None:
    world.cluster.refusals["configmaps"] = QUOTA
    apply_pool(world)
    settle(world)
    assert members(world) == []


def test_a_supervisor_that_somebody_deleted_is_made_again(world: World) -> None:
    apply_pool(world, replicas=1)
    world.watch()
    world.fill()
    (pod,) = members(world)
    world.cluster.remove(CONFIG_MAP)
    waiting = {"reason": "CreateContainerConfigError", "message": f'configmap "{SUPERVISOR_MAP}" not found'}
    world.change_pod(pod, phase="Pending", containerStatuses=[{"name": "kernel", "state": {"waiting": waiting}}])
    world.now += 10
    world.watch()
    world.fill()
    assert CONFIG_MAP in world.cluster.objects


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ({"reason": "ErrImagePull", "message": "manifest unknown"}, "ImageRefused"),
        ({"reason": "ImagePullBackOff", "message": "connection refused"}, "ImagePullFailed"),
        ({"reason": "CreateContainerError", "message": "no such device"}, "ConfigError"),
    ],
)
def test_what_a_person_must_mend_is_believed_after_a_while(world: World, waiting: dict[str, str], reason: str) -> None:
    """As of a KernelInstance: Helm and others that go by kstatus give up what is Stalled."""
    apply_pool(world, replicas=1)
    world.watch()
    world.fill()
    (pod,) = members(world)
    scheduled = [{"type": "PodScheduled", "status": "True"}]
    containers = [{"name": "kernel", "image": "example.org/kernel:1", "state": {"waiting": waiting}}]
    world.change_pod(pod, phase="Pending", conditions=scheduled, containerStatuses=containers)
    world.watch()
    world.fill()
    status = world.cluster.objects["/apis/kubernel.dev/v1beta1/namespaces/ns/kernelpools/pool"]["status"]
    assert not is_true(status, ConditionType.STALLED)
    for _ in range(2):
        world.now += 15
        world.watch()
        world.fill()
    status = world.cluster.objects["/apis/kubernel.dev/v1beta1/namespaces/ns/kernelpools/pool"]["status"]
    assert said(world)[0] == reason
    assert is_true(status, ConditionType.STALLED) == (reason != "ImagePullFailed")


def test_a_kubelet_that_cannot_be_woken_keeps_no_member_from_being_made(world: World) -> None:
    apply_pool(world, replicas=2, maxStarting=1)
    world.watch()
    world.fill()
    (pod,) = members(world)
    waiting = {"reason": "CreateContainerConfigError", "message": "failed to sync secret cache"}
    world.change_pod(pod, phase="Pending", containerStatuses=[{"name": "kernel", "state": {"waiting": waiting}}])
    world.cluster.fault = lambda request: "refused" if request == ("patch", "pods") else ""
    apply_pool(world, replicas=2, maxStarting=2)
    world.watch()
    with pytest.raises(ApiUnavailableError):
        world.fill()
    assert len(members(world)) == 2
