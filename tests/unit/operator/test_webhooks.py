"""Admission webhooks that change what the operator makes, until it is none of its own any more."""

from typing import Any

import pytest

from fixtures.objects import cr
from fixtures.operator_world import World
from kubernel_cluster.errors import ApiUnavailableError


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
    for _ in range(6):
        passes(world, 1.0)
    status = world.instance()["status"]
    assert (status["phase"], status["reason"]) == ("Pending", "ConfigError")
    assert "probably an admission webhook" in status["message"]
    assert world.pods() == []
    world.cluster.webhook = lambda resource, obj: None
    for path in [p for p in world.cluster.objects if "/services/" in p]:
        world.cluster.remove(path)  # an operator has no right to delete a Service
    passes(world, 60.0)
    assert [p["metadata"]["name"] for p in world.pods()] == ["k1-1"]


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
        passes(world, 1.0)
    (pod,) = world.pods()
    assert pod["metadata"]["annotations"]["kubernel.dev/incarnation"] == "1"
