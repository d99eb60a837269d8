"""A pass: observe, decide, report, apply. The cluster is one in memory."""

import asyncio
import logging
import random
from typing import Any

import pytest

from fixtures.callbacks import callback, start
from fixtures.objects import NOW, OPERATOR_KEY, POD_SECRET, POD_SECRET_HOLDS, cr, pod, ready_status
from fixtures.operator_world import World
from kubernel_api.constants import ANNOTATION_INCARNATION
from kubernel_api.names import pod_secret_name
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ConflictError
from kubernel_operator import metrics
from kubernel_operator.act.apply import instance_path
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.reconcile import WORKERS_OF_NAMESPACE, log_failure
from kubernel_operator.verdict import Verdict
from kubernel_wire.callback import pod_secret_mark

COLD_START = [
    ("create", "secrets"),
    ("create", "secrets"),
    ("create", "services"),
    ("create", "pods"),
    ("patch", "kernelinstances/status"),
]


def test_cold_start_is_five_writes(world: World) -> None:
    start(world)
    assert world.cluster.requests == COLD_START
    status = world.instance()["status"]
    assert (status["phase"], status["connection"]["ip"], status["podName"]) == ("Running", "10.96.0.9", "k1-1")


def test_a_ready_kernel_costs_nothing(world: World) -> None:
    start(world)
    world.cluster.requests.clear()
    world.reconcile()
    world.start_operator()
    world.reconcile()
    assert world.cluster.requests == []


def test_facts_are_made_once_in_a_pass_that_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand such passes are most of a restart."""
    start(world)
    made: list[Any] = []

    def counted(obj: dict[str, Any]) -> Any:
        made.append(obj)
        return kernel_facts(obj)

    monkeypatch.setattr("kubernel_operator.reconcile.kernel_facts", counted)
    world.start_operator()
    world.reconcile()
    assert len(made) == 1
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    world.start_operator()
    world.reconcile()
    assert len(made) == 3  # what is planned then goes by the status that was written
    assert made[2]["status"]["reason"] == "PodDeleted"


def test_lost_answers_make_no_second_child(world: World) -> None:
    world.cluster.fault = lambda _: "lost"
    world.apply(cr(created=NOW))
    world.watch()
    with pytest.raises(ApiUnavailableError):
        world.reconcile()
    world.cluster.fault = lambda _: ""
    world.reconcile()  # its cache has heard of nothing yet
    assert sorted(p.split("/", 5)[-1] for p in world.cluster.objects if p.startswith("/api/")) == [
        "pods/k1-1",
        "secrets/k1-0123abcd45",
        f"secrets/{POD_SECRET}",
        "services/kernel-k1",
    ]
    secret = world.cluster.objects["/api/v1/namespaces/ns/secrets/k1-0123abcd45"]
    assert secret["stringData"]["key"] == "key 0"
    assert world.reconciler.take_callback(callback()) is Verdict.TAKEN
    world.reconcile()
    assert world.instance()["status"]["connection"]["ip"] == "10.96.0.9"  # the Service was adopted


def test_a_status_that_somebody_else_wrote_meanwhile_is_computed_anew(world: World) -> None:
    start(world)
    world.cluster.requests.clear()
    world.apply({**world.instance(), "metadata": {**world.instance()["metadata"], "labels": {"new": "label"}}})
    assert world.reconciler.take_callback(callback(sequence=3, state="exited", exit_code=1)) is Verdict.TAKEN
    with pytest.raises(ConflictError):
        world.reconcile()
    world.watch()
    world.reconcile()
    assert world.instance()["status"]["phase"] == "Exited"
    assert world.instance()["metadata"]["labels"] == {"new": "label"}


@pytest.mark.parametrize(
    ("error", "level", "errors"),
    [
        pytest.param(ConflictError(409, "Conflict", "modified"), logging.DEBUG, 0, id="changed meanwhile"),
        pytest.param(ApiError(409, "AlreadyExists", "there"), logging.WARNING, 1, id="refused"),
        pytest.param(ApiUnavailableError("PATCH /k1: 503"), logging.WARNING, 1, id="unavailable"),
        pytest.param(KeyError("spec"), logging.WARNING, 1, id="a bug"),
    ],
)
def test_a_change_by_somebody_else_is_no_error(
    error: Exception, level: int, errors: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = metrics.RECONCILE_ERRORS._value.get()
    with caplog.at_level(logging.DEBUG):
        log_failure(("ns", "k1"), error)
    assert [record.levelno for record in caplog.records] == [level]
    assert metrics.RECONCILE_ERRORS._value.get() - before == errors


def test_a_pod_that_was_deleted_while_no_operator_ran_is_lost(world: World) -> None:
    start(world)
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    world.start_operator()
    world.reconcile()
    assert world.instance()["status"]["reason"] == "PodDeleted"
    world.cluster.requests.clear()
    world.reconcile()
    assert world.cluster.requests == []


def test_an_instance_that_was_deleted_meanwhile_is_no_error(world: World) -> None:
    start(world)
    assert world.reconciler.take_callback(callback(sequence=3, state="exited", exit_code=1)) is Verdict.TAKEN
    world.cluster.remove("/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/k1")
    world.reconcile()
    world.watch()
    world.reconcile()
    assert world.cluster.objects == {}


def test_a_kernel_instance_of_the_same_name_inherits_no_memory(world: World) -> None:
    mark = pod_secret_mark(OPERATOR_KEY, "ns/k1-fedcba9800", POD_SECRET_HOLDS)
    start(world)
    world.cluster.remove("/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/k1")
    world.apply(cr(uid="fedcba98-0000-4000-8000-000000000000", created=NOW))
    world.watch()
    world.reconcile()
    world.reconcile()
    assert sorted(p.split("/", 5)[-1] for p in world.cluster.objects if p.startswith("/api/")) == [
        "pods/k1-1",
        "secrets/k1-fedcba9800",
        f"secrets/{pod_secret_name('k1', 'fedcba9800', mark)}",
        "services/kernel-k1",
    ]


def test_why_a_pod_waits_is_read_from_its_events(world: World) -> None:
    world.apply(cr(created=NOW))
    world.watch()
    world.reconcile()
    (made,) = world.pods()
    world.change_pod(
        made,
        phase="Pending",
        conditions=[{"type": "PodScheduled", "status": "True"}],
        containerStatuses=[{"name": "kernel", "state": {"waiting": {"reason": "ContainerCreating"}}}],
    )
    world.cluster.put(
        "/api/v1/namespaces/ns/events/e1",
        {
            "metadata": {"name": "e1", "uid": "e1", "namespace": "ns"},
            "reason": "FailedMount",
            "message": 'secret "x" not found',
            "lastTimestamp": "2027-01-15T08:00:00Z",
        },
    )
    world.now += 2
    world.watch()
    world.reconcile()
    world.watch()
    world.reconcile()
    assert (world.instance()["status"]["reason"], world.instance()["status"]["message"]) == (
        "VolumeMountFailed",
        'A volume cannot be mounted: secret "x" not found',
    )


def test_status_is_not_written_for_a_pass_that_says_nothing_new(world: World) -> None:
    world.apply(cr(created=NOW - 60, status=ready_status()))
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", pod())
    world.add_service()
    world.watch()
    world.reconcile()
    assert world.cluster.writes() == []


def test_a_kernel_instance_too_large_to_be_kept_is_read_again_for_its_pod(world: World) -> None:
    env = [{"name": f"N{n}", "value": random.Random(n).randbytes(100).hex()} for n in range(200)]
    world.apply(cr(created=NOW, env=env, kernel={"argv": ["program"]}))
    world.watch()
    world.reconcile()
    (made,) = world.pods()
    assert {"name": "N7", "value": env[7]["value"]} in made["spec"]["containers"][0]["env"]
    assert ("list", "kernelinstances") in world.cluster.requests
    world.cluster.requests.clear()
    world.watch()
    world.reconciler.take_callback(callback())
    world.reconcile()
    assert world.instance()["status"]["phase"] == "Running"
    assert ("list", "kernelinstances") not in world.cluster.requests


def test_a_pod_elsewhere_that_names_our_kernel_as_its_owner_is_nobody_s(world: World) -> None:
    start(world)
    world.cluster.requests.clear()
    foreign = pod(999, ip="10.66.6.6")
    foreign["metadata"] |= {"name": "k1-999", "namespace": "attacker"}
    misnamed = pod(998, ip="10.66.6.7")
    misnamed["metadata"]["name"] = "x-998"
    world.cluster.put("/api/v1/namespaces/attacker/pods/k1-999", foreign)
    world.cluster.put("/api/v1/namespaces/ns/pods/x-998", misnamed)
    world.watch()
    world.reconcile()
    assert world.cluster.writes() == []
    status = world.instance()["status"]
    assert (status["phase"], status["podName"]) == ("Running", "k1-1")


def test_a_pod_whose_number_is_none_stops_no_pass(world: World) -> None:
    start(world)
    odd = pod(2)
    odd["metadata"]["annotations"][ANNOTATION_INCARNATION] = "x"
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-2", odd)
    world.watch()
    world.reconcile()
    assert world.instance()["status"]["podName"] == "k1-1"


SERVICE_PATH = "/api/v1/namespaces/ns/services/kernel-k1"


@pytest.mark.parametrize("is_new", [False, True], ids=["the same operator", "an operator that never saw it"])
def test_a_service_that_was_deleted_is_made_again_at_its_address(world: World, is_new: bool) -> None:
    """M5: kubectl delete svc --all cut every kernel for good, and the status went on saying Ready."""
    start(world)
    world.cluster.remove(SERVICE_PATH)
    world.cluster.next_address = "10.96.0.77"
    if is_new:
        world.start_operator()
    world.watch()
    world.reconcile()
    status = world.instance()["status"]
    assert (status["phase"], status["reason"]) == ("Running", "ConnectionLost")
    assert status["message"] == "Its Service was deleted and is made again at 10.96.0.9."
    assert [c["status"] for c in status["conditions"] if c["type"] == "Ready"] == ["False"]
    assert world.cluster.objects[SERVICE_PATH]["spec"]["clusterIP"] == "10.96.0.9"
    world.reconcile()
    status = world.instance()["status"]
    assert (status["phase"], status["reason"], status["connection"]["ip"]) == ("Running", "Running", "10.96.0.9")
    assert [c["status"] for c in status["conditions"] if c["type"] == "Ready"] == ["True"]
    world.cluster.requests.clear()
    world.watch()
    world.reconcile()
    assert world.cluster.writes() == []


def test_nothing_is_made_for_a_kernel_instance_that_is_gone(world: World) -> None:
    """Its Service's deletion may be heard of before its own."""
    start(world)
    world.cluster.remove(instance_path(cr()))
    service = world.reconciler.cache.services.get(("ns", "kernel-k1"))
    assert service is not None
    world.reconciler.cache.services.remove(service)
    world.reconcile()
    assert not [path for path in world.cluster.objects if "/services/" in path]


def test_a_kernel_instance_that_is_not_found_for_a_moment_is_looked_at_again(world: World) -> None:
    """While a CRD is replaced the API server answers 404 for everything of it."""
    start(world)
    world.cluster.remove(SERVICE_PATH)
    there = world.cluster.objects.pop(instance_path(cr()))
    service = world.reconciler.cache.services.get(("ns", "kernel-k1"))
    assert service is not None
    world.reconciler.cache.services.remove(service)
    world.reconcile()
    assert not [path for path in world.cluster.objects if "/services/" in path]
    world.cluster.objects[instance_path(cr())] = there
    world.reconcile()
    assert world.cluster.objects[SERVICE_PATH]["spec"]["clusterIP"] == "10.96.0.9"


def test_one_namespace_has_few_workers(world: World) -> None:
    """What it has under way is served before what others ask the API server for."""
    under_way: list[int] = []
    busy = 0

    async def slow(*_: Any) -> None:
        nonlocal busy
        busy += 1
        under_way.append(busy)
        await asyncio.sleep(0.01)
        busy -= 1

    async def flood() -> None:
        world.reconciler.queue._work = slow
        for number in range(100):
            world.reconciler.queue.add(("ns", f"k{number}"))
        task = asyncio.create_task(world.reconciler.queue.run(64))
        while len(under_way) < 100:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(flood())
    assert max(under_way) == WORKERS_OF_NAMESPACE
