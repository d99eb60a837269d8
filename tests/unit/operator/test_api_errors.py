"""Errors of the API server that are neither refusal nor success. M17, F6, m7, and M5's half about Secrets."""

import re
from typing import Any

import pytest

from fixtures.objects import NOW, POD_SECRET, cr, finished_status, pod, ready_status
from fixtures.operator_world import World
from fixtures.pools import apply_pool, filled, members
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ClusterError
from kubernel_operator.decide.plan import MISSED_INTERVAL_SECONDS

WEBHOOK = 'failed calling webhook "policy.example.org": connect: connection refused'
DOWN = ApiUnavailableError("POST pods: 500", status=500, reason="InternalError", message=WEBHOOK)
BUSY = ApiUnavailableError("POST pods: 429", status=429, reason="TooManyRequests", message="too many requests")
SILENT = ApiUnavailableError("POST pods: timed out", message="timed out")


def passes(world: World, times: int = 1) -> None:
    for _ in range(times):
        world.watch()
        try:
            world.reconcile()
        except ClusterError:
            world.now += 0.1  # the work queue comes back


def words(world: World) -> tuple[str | None, str | None]:
    status = world.instance().get("status") or {}
    return status.get("reason"), status.get("message")


@pytest.mark.parametrize("kind", ["pods", "services", "secrets"])
def test_the_server_s_words_are_said(world: World, kind: str) -> None:
    world.cluster.refusals[kind] = DOWN
    world.apply(cr())
    passes(world, 2)
    reason, message = words(world)
    name = {"pods": "Pod", "services": "Service", "secrets": "Secret"}[kind]
    assert reason == "APIError"
    assert message == f"{name} could not be created yet, it is tried again: {WEBHOOK} (500)"
    world.cluster.refusals.clear()
    for _ in range(2):  # the pod is made; a second later, it is said
        world.now += 2
        passes(world, 2)
    assert words(world)[0] == "Creating"
    assert len([p for p in world.cluster.objects if f"/{kind}/" in p]) == (2 if kind == "secrets" else 1)


@pytest.mark.parametrize("error", [BUSY, SILENT])
def test_what_passes_with_the_next_try_is_not_said(world: World, error: ApiUnavailableError) -> None:
    world.cluster.refusals["pods"] = error
    world.apply(cr())
    passes(world)
    world.cluster.refusals.clear()
    passes(world, 2)
    assert words(world)[0] in {None, "Creating"}


@pytest.mark.parametrize("error", [BUSY, SILENT])
def test_the_second_failure_in_a_row_is_said(world: World, error: ApiUnavailableError) -> None:
    world.cluster.refusals["pods"] = error
    world.apply(cr())
    passes(world, 3)
    assert words(world)[0] == "APIError"


def test_a_start_deadline_is_kept_while_the_api_server_fails(world: World) -> None:
    world.cluster.refusals["pods"] = DOWN
    world.apply(cr(lifecycle={"startDeadlineSeconds": 20}))
    passes(world, 2)
    world.now = NOW + 20.5
    passes(world)
    reason, message = words(world)
    assert reason == "StartTimeout"
    assert WEBHOOK in str(message)


def test_a_status_that_is_refused_keeps_nothing_from_being_done(world: World) -> None:
    """m7: no status, and no action either, until the deadline."""
    world.cluster.refusals["kernelinstances/status"] = ApiError(422, "Invalid", "too long")
    world.apply(cr(lifecycle={"startDeadlineSeconds": 20}))
    passes(world)
    assert [p["metadata"]["name"] for p in world.pods()] == ["k1-1"]
    world.now += 20
    passes(world)
    assert world.pods() == []


def test_a_pod_is_not_deleted_before_it_was_said_why(world: World) -> None:
    world.apply(cr(lifecycle={"startDeadlineSeconds": 20}))
    passes(world)
    world.now += 21
    world.cluster.refusals["kernelinstances/status"] = SILENT
    passes(world, 3)
    assert len(world.pods()) == 1
    world.cluster.refusals.clear()
    passes(world, 2)
    assert (words(world)[0], world.pods()) == ("StartTimeout", [])


def missing_its_secret(name: str) -> dict[str, Any]:
    waiting = {"reason": "CreateContainerConfigError", "message": f'secret "{name}" not found'}
    return {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]} | {
        "containerStatuses": [{"name": "kernel", "state": {"waiting": waiting}}]
    }


def test_a_secret_that_was_deleted_is_made_again(world: World) -> None:
    """M5: the next pod waited for it until its deadline."""
    world.apply(cr(status=ready_status(), restartGeneration=1))
    world.add_service()
    passes(world)
    (made,) = world.pods()
    world.change_pod(made, **missing_its_secret("k1-0123abcd45"))
    world.now += MISSED_INTERVAL_SECONDS
    passes(world)
    assert {p.rsplit("/", 1)[-1] for p in world.cluster.objects if "/secrets/" in p} == {"k1-0123abcd45", POD_SECRET}
    (event,) = (o for p, o in world.cluster.objects.items() if "/events/" in p and o["reason"] == "ConnectionLost")
    assert event["type"] == "Warning"
    assert "start it anew" in event["message"]


def test_a_secret_that_the_kubelet_is_late_to_see_is_no_loss(world: World) -> None:
    world.apply(cr())
    passes(world)
    (made,) = world.pods()
    world.change_pod(made, **missing_its_secret("k1-0123abcd45"))
    world.now += 11
    passes(world)
    keys = {o["stringData"].get("key") for p, o in world.cluster.objects.items() if "/secrets/" in p}
    assert keys == {"key 0", None}
    assert not [o for p, o in world.cluster.objects.items() if "/events/" in p and o["reason"] == "ConnectionLost"]


def test_a_claim_that_fails_is_said_and_what_was_said_of_it_goes_with_it(world: World) -> None:
    filled(world)
    world.cluster.refusals["claim pods"] = DOWN
    world.apply(cr(connection={"service": "None"}))
    passes(world, 2)
    assert words(world)[0] == "APIError"
    assert re.fullmatch(
        rf"Pod pool-\w+ of KernelPool pool could not be claimed yet, it is tried again: {re.escape(WEBHOOK)} .500.",
        words(world)[1] or "",
    )
    for member in members(world):  # all of them go: another pod is made
        world.cluster.remove(f"/api/v1/namespaces/ns/pods/{member['metadata']['name']}")
    for _ in range(3):
        passes(world)
        world.now += 2
    assert [p["metadata"]["name"] for p in world.pods()] == ["k1-1"]
    assert words(world)[0] == "Creating"


@pytest.mark.parametrize("error", [DOWN, ApiError(403, "Forbidden", "a policy keeps pods")])
def test_a_pod_that_cannot_be_deleted_is_said_until_it_is_gone(world: World, error: ClusterError) -> None:
    world.cluster.refusals["delete pods"] = error
    world.apply(cr(restartGeneration=1, status=ready_status()))
    world.add_service()
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", pod())
    passes(world, 3)
    assert words(world)[0] == "APIError"
    assert (words(world)[1] or "").startswith("Pod k1-1 could not be deleted")
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    world.now += 2
    passes(world)
    assert words(world)[0] not in {"APIError", "Running"}


def test_a_kernel_that_has_ended_and_its_pod_has_not_tells_it_by_an_event(world: World) -> None:
    world.cluster.refusals["delete pods"] = ApiError(403, "Forbidden", "a policy keeps pods")
    finished = {"type": "Finished", "status": "True", "lastTransitionTime": "2027-01-15T08:00:00Z"}
    world.apply(cr(status={**ready_status(), "conditions": [finished]}))
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", pod())
    passes(world, 3)
    events = [o for path, o in world.cluster.objects.items() if "/events/" in path]
    said = "Pod k1-1 could not be deleted, it is tried again: a policy keeps pods"
    assert [(e["reason"], e["message"]) for e in events] == [("APIError", said)]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DOWN, f"could not be deleted yet, it is tried again: {WEBHOOK} (500)"),
        (ApiError(403, "Forbidden", "a policy keeps it"), "could not be deleted, it is tried again: a policy keeps it"),
    ],
)
def test_a_kernel_instance_that_stays_after_its_time_tells_it_once_by_an_event(
    world: World, error: ClusterError, said: str
) -> None:
    """Nothing else could: its status has said the last word."""
    world.cluster.refusals["delete kernelinstances"] = error
    world.apply(cr(lifecycle={"ttlSecondsAfterFinished": 0}, status=finished_status(ended=NOW - 60)))
    passes(world, 5)
    (event,) = (o for path, o in world.cluster.objects.items() if "/events/" in path)
    assert (event["type"], event["reason"]) == ("Warning", "APIError")
    assert event["message"] == f"This KernelInstance {said}"
    world.cluster.refusals.clear()
    passes(world)
    assert not [path for path in world.cluster.objects if "/kernelinstances/" in path]


def test_a_pool_says_what_keeps_it_empty(world: World) -> None:
    world.cluster.refusals["pods"] = DOWN
    apply_pool(world)
    world.watch()
    world.fill()
    status = world.cluster.objects["/apis/kubernel.dev/v1beta1/namespaces/ns/kernelpools/pool"]["status"]
    said = status["conditions"][0]
    assert said["reason"] == "APIError"
    assert said["message"] == f"Pod could not be created yet, it is tried again: {WEBHOOK} (500)"


@pytest.mark.parametrize("error", [ApiError(403, "Forbidden", "a policy keeps pods"), DOWN], ids=["policy", "webhook"])
def test_a_member_that_cannot_be_deleted_keeps_no_other_from_being_made(world: World, error: ClusterError) -> None:
    filled(world)
    lost = members(world)[0]
    world.change_pod(lost, **{**lost["status"], "phase": "Failed"})
    world.cluster.refusals["delete pods"] = error
    world.watch()
    world.now += 100
    with pytest.raises(type(error)):
        world.fill()
    assert len(members(world)) == 3
