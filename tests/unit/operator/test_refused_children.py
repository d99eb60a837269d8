"""Children that the API server does not take, and names that somebody else has."""

from typing import Any

import pytest

from fixtures.callbacks import start
from fixtures.objects import NOW, UID, cr, pod
from fixtures.operator_world import World
from kubernel_cluster.errors import ApiError, ApiUnavailableError


def test_a_refused_child_is_said_and_tried_again(world: World) -> None:
    world.cluster.refusals["pods"] = ApiError(403, "Forbidden", "exceeded quota: pods=0")
    world.apply(cr(created=NOW))
    world.watch()
    world.reconcile()
    world.reconcile()
    status = world.instance()["status"]
    assert (status["reason"], status["message"]) == (
        "QuotaExceeded",
        "Pod refused: exceeded quota: pods=0",
    )
    events = [o for p, o in world.cluster.objects.items() if "/events/" in p]
    assert [(e["reason"], e["type"]) for e in events] == [("QuotaExceeded", "Warning")]
    world.cluster.refusals.clear()
    world.watch()
    world.reconcile()
    assert [p["metadata"]["name"] for p in world.pods()] == ["k1-1"]


def refused(world: World, *names: str) -> None:
    """KernelInstances that do not fit into the quota; it is told, and tried again."""
    world.cluster.refusals["pods"] = ApiError(403, "Forbidden", "exceeded quota: pods=0")
    for number, name in enumerate(names):
        world.apply(cr(name=name, uid=f"{number:08d}-0000-4000-8000-000000000000", created=NOW))
        world.watch()
        for _ in range(2):
            world.reconcile(("ns", name))


def waiting(world: World) -> list[str]:
    """Who waits for a worker, in that order; they are forgotten."""
    found = []
    while (key := world.reconciler.queue._next()) is not None:
        found.append(key[1])
    return found


def test_one_refused_kernel_tries_again_when_a_pod_goes(world: World) -> None:
    """Whoever tried last is the last; a thousand at once would only be refused again."""
    refused(world, "k1", "k2", "k3")
    waiting(world)
    world.reconciler.pod_went("ns")
    assert waiting(world) == ["k1"]
    world.reconcile()  # in vain
    waiting(world)
    world.reconciler.pod_went("elsewhere")
    assert waiting(world) == []
    world.reconciler.pod_went("ns")
    assert waiting(world) == ["k2"]


def test_a_refused_kernel_that_fits_lets_the_next_one_try(world: World) -> None:
    refused(world, "k1", "k2", "k3")
    world.cluster.refusals.clear()
    waiting(world)
    world.reconcile()
    assert waiting(world) == ["k2"]
    world.reconcile(("ns", "k2"))
    world.cluster.remove("/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/k3")
    world.watch()
    waiting(world)
    world.reconcile(("ns", "k3"))  # it is gone: nobody is refused any more
    world.reconciler.pod_went("ns")
    assert waiting(world) == []


def test_refusals_come_back_less_and_less_often_and_not_all_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"k{number}" for number in range(10)]
    later: dict[str, list[float]] = {name: [] for name in names}
    monkeypatch.setattr(world.reconciler.queue, "add_after", lambda key, seconds: later[key[1]].append(seconds))
    refused(world, *names)
    for seconds in later.values():
        seconds.clear()
    for _ in range(12):
        for name in names:
            world.reconcile(("ns", name))
    backs_off = [[s for s in seconds if s <= 60] for seconds in later.values()]
    assert len({tuple(each) for each in backs_off}) == 10
    assert all(30 <= each[-1] <= 60 for each in backs_off)
    assert all(each[0] <= 2 for each in backs_off)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        pytest.param("Pod", "/api/v1/namespaces/ns/pods/k1-1", id="pod"),
        pytest.param("Service", "/api/v1/namespaces/ns/services/kernel-k1", id="service"),
    ],
)
def test_a_name_that_somebody_else_has_needs_a_person(world: World, kind: str, path: str) -> None:
    name = path.rsplit("/", 1)[-1]
    world.cluster.put(path, {"metadata": {"name": name, "namespace": "ns", "uid": "foreign"}})
    world.apply(cr(created=NOW))
    world.watch()
    world.reconcile()
    world.reconcile()
    status = world.instance()["status"]
    assert status["reason"] == "NameConflict"
    assert status["message"].startswith(f"{kind} refused: ")
    assert {c["type"]: c["status"] for c in status["conditions"]}["Stalled"] == "True"


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        pytest.param("pods", pod(owner="uid of the old one", deleting=NOW + 5), id="pod"),
        pytest.param(
            "services",
            {
                "metadata": {
                    "name": "kernel-k1",
                    "namespace": "ns",
                    "uid": "s",
                    "ownerReferences": [
                        {
                            "apiVersion": "kubernel.dev/v1beta1",
                            "kind": "KernelInstance",
                            "name": "k1",
                            "uid": "uid of the old one",
                            "controller": True,
                        }
                    ],
                }
            },
            id="service whose owner is gone",
        ),
    ],
)
def test_a_name_that_its_predecessor_still_has_is_waited_for(world: World, resource: str, body: dict[str, Any]) -> None:
    """Deleted and applied again: garbage collection takes a moment."""
    path = f"/api/v1/namespaces/ns/{resource}/{body['metadata']['name']}"
    world.cluster.put(path, body)
    world.apply(cr(created=NOW))
    world.watch()
    for _ in range(3):
        world.reconcile()
        world.watch()
        world.now += 1
    status = world.instance()["status"]
    assert status["reason"] == "Creating"
    assert {c["type"]: c["status"] for c in status["conditions"]}["Stalled"] == "False"
    world.cluster.remove(path)
    world.watch()
    world.reconcile()
    assert {o["metadata"]["ownerReferences"][0]["uid"] for p, o in world.cluster.objects.items() if p == path} == {UID}


def test_what_one_write_learned_is_kept_when_another_fails(world: World) -> None:
    world.cluster.fault = lambda request: "refused" if request == ("create", "secrets") else ""
    world.cluster.turns = {"pods": 10}
    world.apply(cr(created=NOW))
    world.watch()
    with pytest.raises(ApiUnavailableError):
        world.reconcile()
    world.cluster.fault = lambda _: ""
    world.reconcile()
    assert world.cluster.requests == [
        ("create", "services"),
        ("create", "pods"),
        ("create", "secrets"),
        ("create", "secrets"),
    ]


SERVICE_PATH = "/api/v1/namespaces/ns/services/kernel-k1"


def test_a_service_that_cannot_be_made_again(world: World) -> None:
    start(world)
    world.cluster.remove(SERVICE_PATH)
    world.cluster.refusals["services"] = ApiError(422, "Invalid", "spec.clusterIPs: provided IP is already allocated")
    world.watch()
    world.reconcile()
    world.reconcile()
    status = world.instance()["status"]
    assert (status["phase"], status["reason"]) == ("Running", "ConnectionLost")
    assert "cannot be made again at 10.96.0.9: Service refused: spec.clusterIPs" in status["message"]
    world.cluster.refusals.clear()
    world.reconcile()
    world.reconcile()
    assert world.instance()["status"]["reason"] == "Running"
