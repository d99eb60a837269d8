"""A member's Service, which its kernel takes over, and keeps when its pod is replaced."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.objects import cr
from fixtures.operator_world import World
from fixtures.pools import (
    filled,
    services_of,
    start,
)
from kubernel_api.conditions import ConditionType, is_true

Json = dict[str, Any]


@pytest.mark.parametrize("fraction", [0.0, 0.0000007])
def test_a_service_comes_with_the_member_and_is_claimed_when_the_start_is_over(world: World, fraction: float) -> None:
    """Half of all times are rounded up when they are written into a status."""
    filled(world, service="ClusterIP")
    world.now += fraction
    before = len(world.cluster.writes())
    world.apply(cr())
    status = start(world)
    claim = [("create", "secrets"), ("patch", "kernelinstances/status"), ("patch", "pods")]
    assert sorted(world.cluster.writes()[before:]) == claim
    assert is_true(status, ConditionType.READY)
    world.now += 1
    start(world, passes=2)
    assert sorted(world.cluster.writes()[before:]) == [*claim, ("patch", "services")]
    (own,) = services_of(world, "KernelInstance")
    assert own["spec"]["selector"]["kubernel.dev/member"] == status["podName"]
    assert status["connection"]["ip"] == own["spec"]["clusterIP"]


def test_a_service_that_its_kernel_does_not_want_is_left_to_the_pod(world: World) -> None:
    filled(world, service="ClusterIP")
    world.apply(cr(connection={"service": "None"}))
    status = start(world, seconds=1)
    assert (status["phase"], status["start"]["type"]) == ("Running", "Warm")
    assert not services_of(world, "KernelInstance")


def test_a_pod_that_is_replaced_before_that_keeps_its_service(world: World) -> None:
    filled(world, service="ClusterIP")
    world.apply(cr())
    before = start(world)
    assert not services_of(world, "KernelInstance")
    (pod,) = (p for p in world.pods() if p["metadata"]["name"] == before["podName"])
    del world.supervisors.status[pod["status"]["podIP"]]
    ended = [{"name": "kernel", "state": {"terminated": {"exitCode": 137}}}]
    world.change_pod(pod, phase="Failed", podIP="", containerStatuses=ended)
    instance = world.instance()
    world.apply({**instance, "spec": {**instance["spec"], "restartGeneration": 1}})
    world.watch()
    world.reconcile()
    (pod,) = (p for p in world.pods() if p["metadata"]["name"] == "k1-2")
    (own,) = services_of(world, "KernelInstance")
    assert own["spec"]["clusterIP"] == before["connection"]["ip"]
    assert pod["metadata"]["labels"]["kubernel.dev/member"] == own["spec"]["selector"]["kubernel.dev/member"]


def test_the_service_of_a_member_that_refuses_is_left(world: World) -> None:
    filled(world, replicas=1, service="ClusterIP")
    for supervisor in world.supervisors.status.values():
        supervisor.update(state="starting", claim="somebody else")
    world.apply(cr())
    assert start(world, passes=4, seconds=1)["podName"] == "k1-2"
    (own,) = services_of(world, "KernelInstance")
    assert own["metadata"]["name"] == "kernel-k1"
    assert not services_of(world, "Pod"), "it has gone with its pod"


def test_a_replaced_pod_is_cold_and_keeps_key_and_service(world: World) -> None:
    filled(world, service="ClusterIP")
    world.apply(cr())
    before = start(world, seconds=0.5)
    instance = world.instance()
    world.cluster.remove(f"/api/v1/namespaces/ns/pods/{before['podName']}")
    world.apply({**instance, "spec": {**instance["spec"], "restartGeneration": 1}})
    for _ in range(6):
        world.watch()
        world.reconcile()
        for pod in world.pods():
            if pod["metadata"]["name"] == "k1-2" and pod["status"]["phase"] == "Pending":
                world.supervisors.status["10.0.0.2"] = {"state": "running", "generation": 1, "age": 0, "ip": "10.0.0.2"}
                running = [{"name": "kernel", "state": {"running": {}}}]
                world.change_pod(pod, phase="Running", podIP="10.0.0.2", containerStatuses=running)
        world.now += 2
    status = world.instance()["status"]
    assert (status["podName"], status["phase"]) == ("k1-2", "Running")
    assert status["start"] == {"type": "Cold", "reason": "Replaced"}
    assert status["connection"]["ip"] == before["connection"]["ip"]
    (pod,) = (p for p in world.pods() if p["metadata"]["name"] == "k1-2")
    assert pod["metadata"]["labels"]["kubernel.dev/member"] == before["podName"], "its Service leads to it"
