"""Admission webhooks that change what the operator makes, until it is none of its own any more."""

from typing import Any

import pytest

from fixtures.callbacks import callback
from fixtures.objects import cr, pod
from fixtures.operator_world import World
from fixtures.pools import apply_pool, settle
from kubernel_api.conditions import ConditionType, find_condition
from kubernel_cluster.errors import ApiError, ApiUnavailableError


def passes(world: World, seconds: float = 0.0) -> None:
    """Time passes, and the operator looks."""
    world.now += seconds
    world.watch()
    world.reconcile()
    world.watch()


def without_annotations(resource: str, obj: dict[str, Any]) -> None:
    if resource == "pods":
        obj["metadata"]["annotations"] = {"mesh.example.org/injected": "yes"}


def without_labels(resource: str, obj: dict[str, Any]) -> None:
    if resource in {"pods", "services"}:
        del obj["metadata"]["labels"]


@pytest.mark.parametrize("restart", [0, 3])
@pytest.mark.parametrize("webhook", [without_annotations, without_labels])
def test_a_pod_that_no_operator_would_know_again_is_not_kept(world: World, webhook: Any, restart: int) -> None:
    """Without its numbers a pod looks as if it had been made for an earlier restart: it was replaced without end."""
    world.cluster.webhook = webhook
    world.apply(cr(created=world.now, restartGeneration=restart))
    for _ in range(60):  # whatever wakes it: each pod that goes is news
        passes(world, 0.5)
    assert world.cluster.requests.count(("create", "pods")) in range(4, 7)
    status = world.instance()["status"]
    assert (status["phase"], status["reason"]) == ("Pending", "ConfigError")
    assert "probably an admission webhook" in status["message"]
    assert world.pods() == []
    world.cluster.webhook = lambda resource, obj: None
    for path in [p for p in world.cluster.objects if "/services/" in p]:
        world.cluster.remove(path)  # an operator has no right to delete a Service
    passes(world, 60.0)
    (made,) = world.pods()
    number = int(made["metadata"]["annotations"]["kubernel.dev/incarnation"])
    assert number > 1  # of the names before somebody may still speak
    assert made["metadata"]["name"] == f"k1-{number}"


def test_what_runs_in_one_until_its_end_counts_for_nothing(world: World) -> None:
    """A real pod lives for seconds after its deletion: it became Ready, and its end was the kernel's."""
    world.cluster.webhook = without_annotations
    world.cluster.fault = lambda request: "refused" if request == ("delete", "pods") else ""
    world.apply(cr(created=world.now))
    with pytest.raises(ApiUnavailableError):
        passes(world)
    world.cluster.fault = lambda request: ""
    (condemned,) = world.pods()
    condemned["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:30Z"
    world.change_pod(condemned, **pod()["status"])
    world.watch()
    world.reconciler.take_callback(callback())
    passes(world)
    assert world.instance()["status"]["reason"] == "ConfigError"
    world.reconciler.take_callback(callback(sequence=3, state="exited", signal=15))
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    passes(world)
    assert world.instance()["status"]["reason"] == "ConfigError"


def test_one_that_an_operator_made_before_it_was_killed_goes_too(world: World) -> None:
    world.cluster.webhook = without_annotations
    world.cluster.fault = lambda request: "refused" if request == ("delete", "pods") else ""
    world.apply(cr(created=world.now, restartGeneration=3))
    with pytest.raises(ApiUnavailableError):
        passes(world)
    world.cluster.fault = lambda request: ""
    world.cluster.webhook = lambda resource, obj: None
    world.start_operator()
    for _ in range(3):
        passes(world, 2.0)
    (made,) = world.pods()
    assert "kubernel.dev/incarnation" in made["metadata"]["annotations"]


def without_owner(resource: str, obj: dict[str, Any]) -> None:
    if resource == "pods":
        del obj["metadata"]["ownerReferences"]


@pytest.mark.parametrize("webhook", [without_annotations, without_labels, without_owner])
def test_a_pools_pod_that_no_operator_would_know_again_is_not_kept(world: World, webhook: Any) -> None:
    """Nobody would have counted it: each pass, or each comparison with the cluster, made as many again."""
    world.cluster.webhook = webhook
    apply_pool(world, replicas=4, maxStarting=4)
    for _ in range(60):
        world.watch()
        world.fill()
        world.now += 1
    assert world.cluster.requests.count(("create", "pods")) in range(4, 8)
    assert world.pods() == []
    pools = [obj for path, obj in world.cluster.objects.items() if "/kernelpools/" in path]
    ready, stalled = (
        find_condition(pools[0]["status"]["conditions"], each) for each in (ConditionType.READY, ConditionType.STALLED)
    )
    assert ready is not None
    assert stalled is not None
    assert (ready["status"], stalled["status"], ready["reason"]) == ("False", "True", "ConfigError")
    assert "probably an admission webhook" in ready["message"]
    world.cluster.webhook = lambda resource, obj: None
    world.now += 60
    settle(world)
    assert len(world.pods()) == 4


def test_a_full_quota_costs_a_pool_one_request(world: World) -> None:
    world.cluster.refusals["pods"] = ApiError(403, "Forbidden", "exceeded quota: pods")
    apply_pool(world, replicas=9, maxStarting=9)
    asked = []
    for _ in range(8):
        world.watch()
        world.fill()
        asked.append(world.cluster.requests.count(("create", "pods")))
        world.now += 1
    assert asked == [1, 2, 2, 3, 3, 3, 3, 4], "after 1, 2, 4 s"
