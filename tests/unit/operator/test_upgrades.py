"""An operator of another version, with another supervisor, takes over what the last one made."""

from typing import Any

import pytest

from fixtures.callbacks import callback, start
from fixtures.objects import SUPERVISOR, cr
from fixtures.operator_world import World
from kubernel_cluster.errors import ApiUnavailableError
from kubernel_supervisor.bootstrap import supervisor_digest


def secret_of(world: World, pod: dict[str, Any]) -> dict[str, Any] | None:
    """The Secret that a pod's container is started from, if it is there."""
    name = pod["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"]
    return world.cluster.objects.get(f"/api/v1/namespaces/ns/secrets/{name}")


def runs(world: World, pod: dict[str, Any]) -> bool:
    """Whether the pod's script takes the supervisor that its ConfigMap holds."""
    env = {each["name"]: each for each in pod["spec"]["containers"][0]["env"]}
    config_map = env["KUBERNEL_SUPERVISOR"]["valueFrom"]["configMapKeyRef"]["name"]
    secret = secret_of(world, pod)
    return secret is not None and config_map.rpartition("-")[2] in secret["stringData"]["KUBERNEL_BOOTSTRAP"]


def test_a_pod_that_is_replaced_starts_with_the_new_supervisor(world: World) -> None:
    """Its Secret was the old one, whose script found in the new ConfigMap something else than it knew: a crash."""
    start(world)
    assert runs(world, world.pods()[0])
    newer = f"{SUPERVISOR} of a newer version"
    world.start_operator(source=newer)
    before = len(world.cluster.writes())
    world.reconcile()
    assert len(world.cluster.writes()) == before
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    instance = world.instance()
    instance["spec"]["restartGeneration"] = 1
    world.apply(instance)
    world.watch()
    world.reconcile()
    world.watch()
    (pod,) = world.pods()
    assert pod["metadata"]["name"] == "k1-2"
    secret = secret_of(world, pod)
    assert secret is not None
    assert supervisor_digest(newer) in secret["stringData"]["KUBERNEL_BOOTSTRAP"]
    assert runs(world, pod)
    world.reconciler.take_callback(callback(pod="k1-2", generation=1))
    world.reconcile()
    assert world.instance()["status"]["reason"] == "Running"


@pytest.mark.parametrize("missing", ["secrets", "configmaps"])
def test_a_pod_that_was_left_without_what_it_needs_is_replaced(world: World, missing: str) -> None:
    """The last operator was killed when the pod was there and its Secret was not: it waited for its deadline."""
    world.apply(cr())
    world.watch()
    world.cluster.fault = lambda request: "refused" if request == ("create", "secrets") else ""
    with pytest.raises(ApiUnavailableError):
        world.reconcile()
    world.cluster.fault = lambda request: ""
    (pod,) = world.pods()
    env = {each["name"]: each.get("valueFrom") for each in pod["spec"]["containers"][0]["env"]}
    name = {
        "secrets": pod["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"],
        "configmaps": env["KUBERNEL_SUPERVISOR"]["configMapKeyRef"]["name"],
    }[missing]
    waits = {"reason": "CreateContainerConfigError", "message": f'{missing[:-1]} "{name}" not found'}
    conditions = [{"type": "PodScheduled", "status": "True"}]
    container = {"name": "kernel", "state": {"waiting": waits}}
    world.change_pod(pod, phase="Pending", conditions=conditions, containerStatuses=[container])
    world.start_operator(source=f"{SUPERVISOR} of a newer version")
    world.reconcile()
    world.watch()
    (made,) = world.pods()
    assert made["metadata"]["name"] == "k1-2"
    assert runs(world, made)


def test_one_that_still_lives_goes_on_with_its_own(world: World) -> None:
    start(world)
    world.start_operator(source=f"{SUPERVISOR} of a newer version")
    world.reconcile()
    assert world.reconciler.take_callback(callback(sequence=3))
    world.reconcile()
    (pod,) = world.pods()
    assert runs(world, pod)
    assert world.instance()["status"]["reason"] == "Running"
