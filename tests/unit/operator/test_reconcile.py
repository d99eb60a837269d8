"""A pass: observe, decide, report, apply. The cluster is one in memory."""

import asyncio
import logging
import random
from typing import Any

import pytest

from fixtures.objects import NOW, OPERATOR_KEY, POD_SECRET, UID, cr, pod, ready_status
from fixtures.operator_world import World
from kubernel_api.constants import ANNOTATION_INCARNATION
from kubernel_api.names import pod_secret_name
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ConflictError
from kubernel_operator import metrics
from kubernel_operator.act.apply import instance_path
from kubernel_operator.reconcile import CALLBACKS_AT_ONCE, WORKERS_OF_NAMESPACE, log_failure
from kubernel_operator.verdict import Verdict
from kubernel_wire.callback import Callback, pod_secret_mark

CALLBACK = {
    "secret": "ns/k1-0123abcd45",
    "pod": "k1-1",
    "boot": "b1",
    "sequence": 2,
    "generation": 0,
    "age": 0.0,
    "processAge": 0.5,
    "state": "running",
    "ip": "10.0.0.7",
}
COLD_START = [
    ("create", "secrets"),
    ("create", "secrets"),
    ("create", "services"),
    ("create", "pods"),
    ("patch", "kernelinstances/status"),
]


def callback(**fields: Any) -> Callback:
    return Callback.model_validate(CALLBACK | fields)


def start(world: World) -> None:
    """Brings k1 to Ready."""
    world.apply(cr(created=world.now))
    world.watch()
    world.reconcile()
    world.watch()
    assert world.reconciler.take_callback(callback()) is Verdict.TAKEN
    world.reconcile()
    world.watch()


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


def test_a_callback_is_believed_about_its_own_pod_only(world: World) -> None:
    """Any kernel has a genuine token: its own."""
    start(world)
    other = cr(name="k2", uid="fedcba98-0000-4000-8000-000000000000")
    world.apply(other)
    world.watch()
    forged = callback(secret="ns/k2-fedcba9800", state="exited", sequence=3, exitCode=0)
    assert world.reconciler.take_callback(forged) is Verdict.FOREIGN
    world.reconcile()
    assert world.instance()["status"]["phase"] == "Running"


@pytest.mark.parametrize("generation", [1, 2**53])
def test_a_generation_that_nobody_asked_for_is_not_believed(world: World, generation: int) -> None:
    """A server may have asked the supervisor before the spec; user code may say any number."""
    start(world)
    assert world.reconciler.take_callback(callback(sequence=3, state="running", generation=generation)) is Verdict.TAKEN
    world.reconcile()
    world.watch()
    assert world.instance()["status"]["restartGeneration"] == 0
    assert (
        world.reconciler.take_callback(callback(sequence=4, state="exited", exitCode=1, generation=generation))
        is Verdict.TAKEN
    )
    world.reconcile()
    assert world.instance()["status"]["exit"]["restartGeneration"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"pod": "k1-9"}, id="unknown pod"),
        pytest.param({"secret": "elsewhere/k1-0123abcd45"}, id="same name in another namespace"),
    ],
)
def test_a_callback_of_nobody(world: World, fields: dict[str, Any]) -> None:
    start(world)
    assert world.reconciler.take_callback(callback(**fields)) is Verdict.UNKNOWN


def test_a_callback_before_its_kernel_instance_is_known(world: World) -> None:
    """After a restart of the operator the pod may be in the cache first; the supervisor comes again."""
    world.reconciler.cache.pods.put(pod())
    assert world.reconciler.take_callback(callback()) is Verdict.UNKNOWN


def test_a_pod_that_says_a_lot_is_told_to_wait(world: World) -> None:
    start(world)

    def said(count: int) -> list[Verdict]:
        events = [callback(sequence=10 + number) for number in range(count)]
        return [world.reconciler.take_callback(each) for each in events]

    assert said(1000).count(Verdict.TAKEN) == CALLBACKS_AT_ONCE - 1  # its start was one
    world.now += 3
    assert said(1000).count(Verdict.TAKEN) == 3


@pytest.mark.parametrize(
    "states",
    [
        pytest.param(("starting", "running"), id="back and forth"),
        pytest.param(("running", "exited"), id="dead and alive"),
    ],
)
def test_a_pod_that_tells_tales_costs_few_writes(world: World, states: tuple[str, str]) -> None:
    """For ten seconds: as many callbacks as are taken, and as many passes as they cause."""
    events = {"starting": "started", "running": "ready", "exited": "exited"}
    start(world)
    world.cluster.requests.clear()
    for number in range(100):
        world.now += 0.1
        state = states[number % 2]
        world.reconciler.take_callback(callback(sequence=10 + number, event=events[state], state=state))
        world.reconcile()
        world.watch()
    writes = [r for r in world.cluster.writes() if r[1] == "kernelinstances/status"]
    assert len(writes) <= 6


def test_restarts_that_were_asked_for_are_told_at_once(world: World) -> None:
    """However many in a second: each was a write of its user."""
    start(world)
    world.supervisors.status["10.0.0.7"] = {"state": "running", "generation": 0}
    for generation in range(1, 20):
        world.apply({**world.instance(), "spec": {"restartGeneration": generation}})
        world.watch()
        world.reconcile()
        for more, state in ((0, "starting"), (1, "running")):
            news = callback(sequence=10 * generation + more, state=state, generation=generation)
            assert world.reconciler.take_callback(news) is Verdict.TAKEN
            world.reconcile()
            world.watch()
        assert world.instance()["status"]["restartGeneration"] == generation


def test_a_callback_sent_twice_is_taken_and_changes_nothing(world: World) -> None:
    start(world)
    world.cluster.requests.clear()
    assert world.reconciler.take_callback(callback()) is Verdict.TAKEN
    assert world.reconciler.take_callback(callback(sequence=1, state="starting")) is Verdict.TAKEN
    world.reconcile()
    assert world.cluster.requests == []


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
    start(world)
    world.cluster.remove("/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/k1")
    world.apply(cr(uid="fedcba98-0000-4000-8000-000000000000", created=NOW))
    world.watch()
    world.reconcile()
    world.reconcile()
    assert sorted(p.split("/", 5)[-1] for p in world.cluster.objects if p.startswith("/api/")) == [
        "pods/k1-1",
        "secrets/k1-fedcba9800",
        f"secrets/{pod_secret_name('k1', 'fedcba9800', pod_secret_mark(OPERATOR_KEY, 'ns/k1-fedcba9800'))}",
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
