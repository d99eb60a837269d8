"""The ConfigMap with the supervisor, from the first kernel of a namespace to an hour after the last."""

import asyncio
from typing import Any

import pytest

from fixtures.objects import NOW, SUPERVISOR, SUPERVISOR_MAP, cr, pod
from fixtures.operator_world import World
from kubernel_operator.act.unused_supervisors import UnusedSupervisors
from kubernel_operator.build.supervisor import build_supervisor_map

PATH = f"/api/v1/namespaces/ns/configmaps/{SUPERVISOR_MAP}"
OLD_PATH = "/api/v1/namespaces/ns/configmaps/kubernel-supervisor-old"


@pytest.fixture
def world() -> World:
    """An operator that does not know what is in the namespace."""
    world = World()
    world.start_operator(supervisor=False)
    return world


def start(world: World, name: str = "k1") -> None:
    """One more KernelInstance, and the passes that follow from it without further news."""
    world.apply(cr(name=name, uid=name))
    world.watch()
    world.reconcile(("ns", name))
    world.reconcile(("ns", name))


def put_map(world: World, path: str, **fields: Any) -> None:
    """A ConfigMap is there."""
    made = build_supervisor_map("ns", SUPERVISOR)
    made["metadata"] |= {"name": path.rsplit("/", 1)[-1], "uid": f"uid of {path}"}
    world.cluster.put(path, {**made, **fields})


def test_it_is_made_for_the_first_kernel_of_a_namespace_only(world: World) -> None:
    start(world)
    assert world.cluster.objects[PATH]["data"] == {"supervisor.py": SUPERVISOR}
    assert len(world.pods()) == 1
    before = world.cluster.writes().count(("create", "configmaps"))
    start(world, "k2")
    assert (before, world.cluster.writes().count(("create", "configmaps")), len(world.pods())) == (1, 1, 2)


def test_it_is_made_once_for_kernels_that_begin_together(world: World) -> None:
    names = [f"k{number}" for number in range(20)]
    for name in names:
        world.apply(cr(name=name, uid=name))
    world.watch()

    async def all_at_once() -> None:
        await asyncio.gather(*(world.reconciler.reconcile(("ns", name)) for name in names))

    asyncio.run(all_at_once())
    assert [r for r in world.cluster.requests if r[1] == "configmaps"] == [("create", "configmaps")]


def test_one_that_is_there_is_read_once(world: World) -> None:
    put_map(world, PATH)
    start(world)
    start(world, "k2")
    requests = [verb for verb, resource in world.cluster.requests if resource == "configmaps"]
    assert requests == ["create", "list"]
    assert len(world.pods()) == 2


def test_a_foreign_one_is_refused_and_no_pod_runs_it(world: World) -> None:
    put_map(world, PATH, data={"supervisor.py": "evil()"})
    start(world)
    assert world.pods() == []
    status = world.instance()["status"]
    assert status["reason"] == "NameConflict"
    assert f"ConfigMap {SUPERVISOR_MAP} holds something else" in status["message"]
    world.cluster.remove(PATH)
    world.reconcile()
    world.reconcile()
    assert len(world.pods()) == 1
    world.now += 3
    world.reconcile()
    assert world.instance()["status"]["reason"] == "Creating"


def test_what_another_kernel_was_refused_for_is_over_when_it_is_there(world: World) -> None:
    put_map(world, PATH, immutable=False)
    start(world)
    start(world, "k2")
    world.cluster.remove(PATH)
    world.reconcile(("ns", "k2"))
    world.reconcile()
    assert [key[1] for key in world.reconciler.cache.pods.keys()] == ["k1-1"]  # noqa: SIM118
    assert "NameConflict" not in str(world.reconciler._memory["ns", "k1"].refusals)


def test_it_is_made_again_for_a_pod_that_misses_it(world: World) -> None:
    start(world)
    world.cluster.remove(PATH)
    waiting = {"reason": "CreateContainerConfigError", "message": f'configmap "{SUPERVISOR_MAP}" not found'}
    world.change_pod(
        world.pods()[0],
        phase="Pending",
        conditions=[{"type": "PodScheduled", "status": "True"}],
        containerStatuses=[{"name": "kernel", "image": "i", "state": {"waiting": waiting}}],
    )
    world.watch()
    world.reconcile()
    assert PATH not in world.cluster.objects  # it was made a moment ago
    world.now += 10
    world.reconcile()
    assert PATH in world.cluster.objects


def test_whoever_leads_next_makes_sure_of_it(world: World) -> None:
    start(world)
    world.reconciler.forget()
    world.cluster.remove(PATH)
    start(world, "k2")
    assert PATH in world.cluster.objects


# ---- Those that nobody needs any more.


def tidier(world: World) -> UnusedSupervisors:
    """What tidies up in that world."""
    cluster: Any = world.cluster
    return UnusedSupervisors(cluster, (), world.reconciler.cache, world.applier.lock, lambda name: name == "ignored")


def test_unused_ones_are_deleted_the_second_time(world: World) -> None:
    put_map(world, PATH)
    put_map(world, OLD_PATH)
    tidy = tidier(world)
    asyncio.run(tidy.tidy())
    assert {PATH, OLD_PATH} <= set(world.cluster.objects)
    asyncio.run(tidy.tidy())
    assert world.cluster.objects == {}


def test_one_whose_pod_lives_stays(world: World) -> None:
    put_map(world, OLD_PATH)
    living = pod()
    living["metadata"]["annotations"]["kubernel.dev/supervisor"] = "kubernel-supervisor-old"
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", living)
    world.watch()
    tidy = tidier(world)
    for _ in range(3):
        asyncio.run(tidy.tidy())
    assert OLD_PATH in world.cluster.objects
    world.change_pod(living, phase="Succeeded")
    world.watch()
    for _ in range(2):
        asyncio.run(tidy.tidy())
    assert OLD_PATH not in world.cluster.objects


def test_one_that_a_start_asked_for_meanwhile_stays(world: World) -> None:
    put_map(world, PATH)
    world.reconciler.cache.supervisors["ns"] = NOW
    tidy = tidier(world)
    asyncio.run(tidy.tidy())
    start(world)
    world.cluster.remove("/api/v1/namespaces/ns/pods/k1-1")
    world.watch()
    asyncio.run(tidy.tidy())
    assert PATH in world.cluster.objects


def test_one_that_was_made_anew_is_another(world: World) -> None:
    put_map(world, PATH)
    tidy = tidier(world)
    asyncio.run(tidy.tidy())
    world.cluster.objects[PATH]["metadata"]["uid"] = "another"
    asyncio.run(tidy.tidy())
    assert PATH in world.cluster.objects


def test_those_of_somebody_elses_namespaces_stay(world: World) -> None:
    path = PATH.replace("/ns/", "/ignored/")
    put_map(world, path)
    world.cluster.objects[path]["metadata"]["namespace"] = "ignored"
    tidy = tidier(world)
    for _ in range(3):
        asyncio.run(tidy.tidy())
    assert path in world.cluster.objects
