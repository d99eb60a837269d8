"""A kernel starts with more CPU than is its own, and gives it back whatever happens. The node is a real one."""

from typing import Any

import pytest

from fixtures.api_client import Json
from kubernel_api.conditions import ConditionType, find_condition
from kubernel_api.constants import ANNOTATION_STARTUP_CPU

from .conftest import Place, only
from .kernels import Kernel, Kernels

SMALL: Json = {"limits": {"cpu": "250m", "memory": "200Mi"}, "requests": {"cpu": "50m", "memory": "50Mi"}}
RESIZE = only(verb="patch", resource="pods/resize")


def cpu(status: Json) -> str:
    """The limit that is in force."""
    limit: str = status["resources"]["limits"]["cpu"]
    return limit


def resources(kernel: Kernel) -> Json:
    """What its pod is to have."""
    (pod,) = kernel.children("pods")
    found: Json = pod["spec"]["containers"][0]["resources"]
    return found


def taken_back(kernel: Kernel) -> None:
    """Its own limit is in force, and nobody was told of a resize that nobody had asked for."""
    kernel.wait("its own CPU limit in the pod", lambda: resources(kernel) == SMALL)
    status = kernel.wait_status("its own CPU limit in force", lambda s: s.get("resources") and cpu(s) == "250m")
    (pod,) = kernel.children("pods")
    assert pod["status"]["qosClass"] == "Burstable"
    assert find_condition(status["conditions"], ConditionType.RESIZING) is None
    assert [e["reason"] for e in kernel.events() if "Resize" in e["reason"] or "CPU" in e["reason"]] == []


def resizes(place: Place) -> int:
    """So many were taken; the kubelet may write the pod's status in the moment in which one is asked for."""
    asked, conflicts = (sum(map(RESIZE, list(some))) for some in (place.proxy.requests, place.proxy.conflicts))
    return asked - conflicts


def test_a_start_and_a_restart(place: Place) -> None:
    kernel = place.kernels.start(resources=SMALL, startupCPU="1")
    (pod,) = kernel.children("pods")
    assert pod["metadata"]["annotations"][ANNOTATION_STARTUP_CPU] == "1 250m"
    taken_back(kernel)
    assert resizes(place) == 1
    kernel.restart(1)
    taken_back(kernel.ready(1))
    assert resizes(place) == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_operator_that_is_killed_as_it_takes_it_back(place: Place, when: str) -> None:
    place.kill_at(RESIZE, when)
    kernel = place.kernels.start(resources=SMALL, startupCPU="1")
    place.revive()
    taken_back(kernel)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_operator_that_is_killed_as_it_gives_it_for_a_restart(place: Place, when: str) -> None:
    kernel = place.kernels.start(resources=SMALL, startupCPU="1")
    taken_back(kernel)
    place.kill_at(RESIZE, when)
    kernel.restart(1)
    place.revive()
    taken_back(kernel.ready(1))


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("ResourceQuota", {"hard": {"limits.cpu": "500m"}}, "exceeded quota: small"),
        ("LimitRange", {"limits": [{"type": "Container", "max": {"cpu": "500m"}}]}, "maximum cpu usage per Container"),
    ],
)
def test_what_is_refused_does_not_hinder_a_start(kernels: Kernels, kind: str, spec: Any, words: str) -> None:
    resource = f"{kind.lower()}s"
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "small"}, "spec": spec}
    kernels.api.request("POST", kernels.path(resource), body)
    try:
        if kind == "ResourceQuota":
            watcher = Kernel(kernels, "quota")
            quota = kernels.path(resource, "small")
            watcher.wait("enforcement", lambda: kernels.api.request("GET", quota).get("status", {}).get("hard"))
        kernel = kernels.start(resources=SMALL, startupCPU="1")
    finally:
        kernels.api.request("DELETE", kernels.path(resource, "small"))
    assert resources(kernel) == SMALL
    events = kernel.wait("an Event", lambda: [e for e in kernel.events() if e["reason"] == "StartupCPURefused"])
    assert words in events[0]["message"]


def test_a_resize_in_the_midst_of_a_start_wins(kernels: Kernels) -> None:
    kernel = kernels.create(resources=SMALL, startupCPU="1")
    kernel.patch(resources={"limits": {"cpu": "300m"}})
    status = kernel.ready().wait_status("the new limit", lambda s: s.get("resources") and cpu(s) == "300m")
    assert status["resources"]["limits"]["memory"] == "200Mi"
