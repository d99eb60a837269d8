"""Claims with a cluster in memory: who gets a pool's pod, what it is told, and what is left when it goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from fixtures.fake_cluster import Request
from fixtures.objects import NOW, cr, disrupted
from fixtures.operator_world import World
from fixtures.pools import (
    assert_none_is_anothers,
    become_ready,
    call_back,
    filled,
    members,
    run_members,
    sealed,
    services_of,
    settle,
    start,
)
from kubernel_api.conditions import ConditionType, is_true
from kubernel_cluster.errors import ApiError, ClusterError
from kubernel_operator.build.pod import STAYS

Json = dict[str, Any]
MOVABLE = "cluster-autoscaler.kubernetes.io/safe-to-evict"


def test_a_kernel_that_is_initialised_already_is_ready_with_the_answer(world: World) -> None:
    filled(world)
    world.supervisors.spares = True
    world.supervisors.asked.clear()
    world.apply(cr(connection={"service": "None"}))
    for _ in range(4):
        world.watch()
        world.reconcile()
    status = world.instance()["status"]
    assert is_true(status, ConditionType.READY)
    assert [request["op"] for _, request in world.supervisors.asked] == ["bind"], "nothing else had to be asked"
    assert status["start"] == {"type": "Warm", "pool": "pool"}


def test_a_kernel_gets_a_member_and_is_told_everything(world: World) -> None:
    filled(world)
    before = len(world.cluster.writes())
    env = [{"name": "WHO", "value": "ada"}]
    world.apply(cr(env=env, workingDir="/home/ada", restartGeneration=3, connection={"service": "None"}))
    status = start(world)
    assert status["phase"] == "Running"
    assert status["start"] == {"type": "Warm", "pool": "pool"}
    assert status["podName"] in {m["metadata"]["name"] for m in members(world)}
    ((claim, told),) = world.supervisors.told
    assert claim == world.instance()["metadata"]["uid"]
    assert (told["env"], told["workingDir"], told["generation"]) == ({"WHO": "ada"}, "/home/ada", 3)
    secrets = [o for p, o in world.cluster.objects.items() if p.endswith("/secrets/k1-0123abcd45")]
    assert [s["stringData"]["key"] for s in secrets] == [told["keys"]["key"]]
    assert sorted(world.cluster.writes()[before:]) == [
        ("create", "secrets"),
        ("patch", "kernelinstances/status"),
        ("patch", "pods"),
    ]


def test_its_pod_is_as_any_kernels(world: World) -> None:
    filled(world)
    world.apply(cr(connection={"service": "None"}))
    start(world)
    (pod,) = (m for m in members(world) if m["metadata"]["ownerReferences"][0]["kind"] == "KernelInstance")
    labels, annotations = pod["metadata"]["labels"], pod["metadata"]["annotations"]
    assert labels["kubernel.dev/instance"] == "k1"
    assert "kubernel.dev/pool" not in labels
    assert annotations["kubernel.dev/incarnation"] == "1"
    assert annotations.items() >= STAYS.items()
    waiting = [m for m in members(world) if m["metadata"]["ownerReferences"][0]["kind"] == "KernelPool"]
    assert [m["metadata"]["annotations"].keys() & STAYS.keys() for m in waiting] == [{MOVABLE}] * len(waiting)
    assert {m["metadata"]["annotations"][MOVABLE] for m in waiting} == {"true"}, "nobody's work is in it"


@pytest.mark.parametrize(
    ("spec", "differs"),
    [
        ({"image": "example.org/other:1"}, "image example.org/kernel:1, this kernel example.org/other:1"),
        ({"resources": {"limits": {"memory": "1Gi"}}}, "resources.limits.memory none, this kernel 1Gi"),
        ({"nodeSelector": {"gpu": "yes"}}, "nodeSelector.gpu none, this kernel yes"),
        ({"kernel": {"fork": "Never"}}, "kernel.fork Auto, this kernel Never"),
        (
            {"volumes": [{"name": "home", "mountPath": "/home", "emptyDir": {}}]},
            'volumes none, this kernel [{"emptyDir": {}, "mountPath": "/home", "name": "home"}]',
        ),
    ],
)
def test_what_no_pool_fits_is_cold_and_says_what_differs(world: World, spec: Json, differs: str) -> None:
    filled(world)
    world.apply(cr(connection={"service": "None"}, **spec))
    status = start(world, passes=3, seconds=1)
    message = f"KernelPool pool has {differs}."
    assert status["start"] == {"type": "Cold", "reason": "NoPoolFits", "message": message}
    assert status["podName"] == "k1-1"


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param([{"type": "Ready", "status": "False", "reason": "NodeNotReady"}], id="its node is silent"),
        pytest.param(disrupted("EvictionByEvictionAPI")["conditions"], id="it is being evicted"),
    ],
)
def test_a_member_that_may_be_gone_is_nobodys(world: World, conditions: list[Json]) -> None:
    """Who got it would wait for its answer in vain, and for a pod of its own after that."""
    filled(world)
    for leaving in members(world):
        world.change_pod(leaving, **leaving["status"] | {"conditions": conditions})
    world.watch()
    world.apply(cr(connection={"service": "None"}))
    status = start(world, passes=3, seconds=1)
    assert (status["podName"], status["start"]["reason"]) == ("k1-1", "NoMemberReady")


def test_an_empty_pool_is_cold(world: World) -> None:
    filled(world, replicas=0)
    world.apply(cr(connection={"service": "None"}))
    message = "KernelPool pool fits, and none of its members was ready."
    assert start(world, passes=3, seconds=1)["start"] == {
        "type": "Cold",
        "reason": "NoMemberReady",
        "message": message,
    }


def test_amounts_are_the_same_however_they_are_written(world: World) -> None:
    filled(world, resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    world.apply(cr(connection={"service": "None"}, resources={"limits": {"cpu": "1000m", "memory": "1024Mi"}}))
    assert start(world)["start"]["type"] == "Warm"


def test_somebody_else_was_faster(world: World) -> None:
    """Two operators for a moment: the API server lets one of them have it."""
    filled(world)
    world.watch()
    first = world.reconciler.members._waiting
    name = next(iter(next(iter(first.values()))))
    taken = world.cluster.objects[f"/api/v1/namespaces/ns/pods/{name}"]
    taken["metadata"]["ownerReferences"] = [
        {"kind": "KernelInstance", "name": "other", "uid": "other", "controller": True}
    ]
    world.apply(cr(connection={"service": "None"}))
    world.reconciler.cache.instances.put(world.instance())
    status = start(world)
    assert status["start"]["type"] == "Warm"
    assert status["podName"] != name


def test_a_claim_that_a_policy_refuses_is_cold_and_says_so(world: World) -> None:
    """So would that of the next member be: none is tried, since each that was told a KernelInstance is thrown away."""
    filled(world, replicas=3)
    words = 'pods "pool-x" is forbidden: a policy keeps pods as they are'
    world.cluster.refusals["claim pods"] = ApiError(403, "Forbidden", words, {"kind": "pods"})
    world.apply(cr(connection={"service": "None"}))
    status = start(world, passes=4, seconds=1)
    assert status["podName"] == "k1-1"
    assert (status["start"]["type"], status["start"]["reason"]) == ("Cold", "ClaimRefused")
    assert status["start"]["message"].endswith(f" of KernelPool pool was refused: {words}")
    assert len({claim for claim, _ in world.supervisors.told}) <= 1


def test_a_member_that_refuses_is_left(world: World) -> None:
    filled(world, replicas=1)
    for supervisor in world.supervisors.status.values():
        supervisor.update(state="starting", claim="somebody else")
    world.apply(cr(connection={"service": "None"}))
    status = start(world, passes=4, seconds=1)
    assert status["podName"] == "k1-2"
    assert status["start"] == {"type": "Cold", "reason": "MemberFailed"}
    assert world.supervisors.told == []


@pytest.mark.parametrize("service", ["None", "ClusterIP"])
@pytest.mark.parametrize("fault", ["refused", "lost"])
@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("key_from", ["Operator", "Client"])
def test_a_kill_at_any_write_of_a_claim(
    world: World, service: str, fault: str, at: int, told: bool, key_from: str
) -> None:
    """The operator is killed before or after its n-th write of a claim; another one finishes the start.

    ``told``: whether the member was told whose it is, which does not wait for the writes.
    """
    filled(world, service=service)
    world.supervisors.spares = True
    world.asker._leads = lambda: told
    connection = sealed() if key_from == "Client" else {}
    world.apply(cr(connection={**connection, "service": service}, env=[{"name": "WHO", "value": "ada"}]))
    world.watch()
    writes = 0

    def kill(request: Request) -> str:
        nonlocal writes
        if request[0] not in {"create", "patch", "delete"} or request[1] == "events":
            return ""
        writes += 1
        return fault if writes - 1 == at else "refused" if writes - 1 > at else ""

    world.cluster.fault = kill
    for _ in range(5):
        with contextlib.suppress(ClusterError):
            world.reconcile()
        world.now += 0.5
    if told:
        assert writes > min(at, 1 + (key_from == "Operator") + (service == "ClusterIP")), "that write was tried"
    world.cluster.fault = lambda _: ""
    world.start_operator()
    settle(world)
    for _ in range(12):
        world.watch()
        with contextlib.suppress(ClusterError):
            world.reconcile()
        run_members(world)
        become_ready(world)
        for pod in world.pods():
            if pod["status"]["phase"] == "Pending":
                ip = "10.0.0.2"
                world.supervisors.status[ip] = {"state": "running", "generation": 0, "age": 0, "ip": ip}
                running = [{"name": "kernel", "state": {"running": {}}}]
                world.change_pod(pod, phase="Running", podIP=ip, containerStatuses=running)
        world.now += 2
    status = world.instance()["status"]
    assert status["phase"] == "Running", status["message"]
    owned = [
        p for p in world.pods() if p["metadata"]["ownerReferences"][0]["uid"] == world.instance()["metadata"]["uid"]
    ]
    assert [p["metadata"]["name"] for p in owned] == [status["podName"]]
    keys = [o["stringData"]["key"] for p, o in world.cluster.objects.items() if p.endswith("/secrets/k1-0123abcd45")]
    keys = keys if key_from == "Operator" else ["c1" * 32]
    assert len(keys) == 1
    if status.get("start", {}).get("type") == "Warm":
        assert world.supervisors.keys[owned[0]["status"]["podIP"]] == keys[0]
        assert len(services_of(world, "KernelInstance")) == (service == "ClusterIP")
    assert_none_is_anothers(world)
    assert world.now > NOW


def test_nobody_is_told_whose_it_is_where_it_cannot_be_claimed_in_the_same_pass(world: World) -> None:
    """The status comes first, and the API server does not take it."""
    world.apply(cr(connection={"service": "None"}))
    world.watch()
    world.cluster.fault = lambda request: "refused" if request[0] == "create" else ""
    with contextlib.suppress(ClusterError):
        world.reconcile()
    world.cluster.fault = lambda _: ""
    filled(world)  # later than the first second, in which a start says nothing
    world.cluster.fault = lambda request: "refused" if request == ("patch", "kernelinstances/status") else ""
    with pytest.raises(ClusterError):
        world.reconcile()
    assert world.supervisors.told == []
    world.cluster.fault = lambda _: ""
    status = start(world)
    assert (status["phase"], status["start"]["type"]) == ("Running", "Warm")


@pytest.mark.parametrize("lost", [False, True])
def test_the_pass_after_a_claim_waits_for_the_members_answer(world: World, lost: bool) -> None:
    filled(world)
    world.apply(cr(connection={"service": "None"}))
    world.watch()
    if lost:
        for pod in members(world):
            pod["metadata"]["ownerReferences"][0]["uid"] = "another"
    asyncio.run(world.reconciler.reconcile(("ns", "k1")))
    assert world.reconciler.queue.depth() == lost, "one that was lost is told to nobody"


def test_a_member_that_was_told_and_then_lost_is_thrown_away(world: World) -> None:
    """Another leader was faster with the API server, and we with the supervisor."""
    filled(world)
    refused: list[str] = []

    def refuse(request: Request) -> str:
        if request == ("patch", "pods") and not refused:
            (ip,) = world.supervisors.keys  # it knows of us by now
            (pod,) = (p for p in members(world) if p["status"]["podIP"] == ip)
            refused.append(pod["metadata"]["name"])
            pod["metadata"]["ownerReferences"] = [
                {"kind": "KernelInstance", "name": "other", "uid": "other", "controller": True}
            ]
            pod["metadata"]["annotations"]["kubernel.dev/incarnation"] = "1"
            world.change_pod(pod, **pod["status"])
        return ""

    world.cluster.fault = refuse
    world.apply(cr(connection={"service": "None"}))
    status = start(world)
    assert (status["start"]["type"], status["phase"]) == ("Warm", "Running")
    assert status["podName"] not in refused
    assert len(set(world.supervisors.keys.values())) == 1, "both were told the one key of this kernel"
    other = cr(name="other", uid="other", connection={"service": "None"})
    world.apply(other)
    for _ in range(4):
        world.watch()
        world.reconcile(("ns", "other"))
        world.now += 1
    assert refused[0] not in {p["metadata"]["name"] for p in world.pods()}, "it will never be the other's kernel"


def test_a_member_that_was_told_and_stayed_its_pools_is_thrown_away(world: World) -> None:
    filled(world, replicas=1)
    ((name, _),) = [(m["metadata"]["name"], m) for m in members(world)]
    world.cluster.fault = lambda request: "refused" if request == ("patch", "pods") else ""
    instance = world.apply(cr(connection={"service": "None"}))
    world.watch()
    with pytest.raises(ClusterError):
        world.reconcile()
    assert len(world.supervisors.told) == 1
    world.cluster.fault = lambda _: ""
    world.cluster.remove(f"/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances/{instance['metadata']['name']}")
    world.watch()
    world.reconcile()  # nobody wants it any more, and the next one must not get it
    world.apply(cr(name="k2", uid="k2", connection={"service": "None"}))
    world.watch()
    world.reconcile(("ns", "k2"))
    assert {claim for claim, _ in world.supervisors.told} == {instance["metadata"]["uid"]}
    settle(world)
    assert name not in {p["metadata"]["name"] for p in world.pods()}
    assert_none_is_anothers(world)


@pytest.mark.parametrize("fault", ["refused", "lost"])
def test_a_member_that_has_called_back_before_it_could_be_claimed_is_kept(world: World, fault: str) -> None:
    filled(world)
    world.cluster.fault = lambda request: fault if request == ("patch", "pods") else ""
    world.apply(cr(connection={"service": "None"}))
    world.reconciler.cache.instances.put(world.instance())
    with pytest.raises(ClusterError):
        world.reconcile()
    (ip,) = world.supervisors.keys
    call_back(world, next(p for p in members(world) if p["status"]["podIP"] == ip))
    world.cluster.fault = lambda _: ""
    status = start(world)
    assert (status["phase"], status["start"]["type"]) == ("Running", "Warm")
    assert len(world.supervisors.told) == 1
    assert_none_is_anothers(world)


def test_an_operator_that_does_not_lead_any_more_tells_nobody(world: World) -> None:
    filled(world)
    world.asker._leads = lambda: False
    world.cluster.fault = lambda request: "refused" if request == ("patch", "pods") else ""
    world.apply(cr(connection={"service": "None"}))
    world.watch()
    with pytest.raises(ClusterError):
        world.reconcile()
    assert world.supervisors.told == []
