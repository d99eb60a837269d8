"""A kernel that stands still short of its memory limit: what it is given, what is said, and who takes over."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from fixtures.objects import NOW, cr, pod, ready_status
from fixtures.operator_world import World
from kubernel_api.conditions import ConditionType, find_condition
from kubernel_cluster.errors import ApiError
from kubernel_operator.observe.report import MIB
from kubernel_wire.callback import Callback

Json = dict[str, Any]
RESIZE, STATUS, EVENT = ("patch", "pods/resize"), ("patch", "kernelinstances/status"), ("create", "events")


def both(memory: str) -> Json:
    return {"limits": {"memory": memory}, "requests": {"memory": memory}}


def sized_pod(resources: Json) -> Json:
    made = pod()
    made["metadata"]["annotations"]["kubernel.dev/generation"] = "1"
    made["spec"]["containers"] = [{"name": "kernel", "resources": resources}]
    made["status"]["containerStatuses"][0]["resources"] = resources
    return made


@pytest.fixture
def start(world: World) -> Any:
    """``start(resources, max)``: k1 runs with these resources, and all of it was said."""

    def started(resources: Json, most: str | None = "2Gi", spec: Json | None = None) -> World:
        memory = {"memory": {"max": most, "whenFull": "Interrupt"}} if most else {}
        instance = cr(resources=resources, status=ready_status(resources=resources), **memory, **(spec or {}))
        world.apply(instance)
        world.add_service()
        world.supervisors.status["10.0.0.7"] = {"generation": 0, "state": "running"}
        world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", sized_pod(resources))
        world.watch()
        world.reconcile()
        return world

    return started


@pytest.fixture
def running(start: Any) -> World:
    """With 400Mi that may become 2Gi."""
    world: World = start(both("400Mi"))
    return world


def says(world: World, used: int, limit: int, *, frozen: float | None = None, available: int = 100_000) -> None:
    """A supervisor reports, and the operator looks until nothing is to be done at once. MiB."""
    world.sequence = getattr(world, "sequence", 0) + 1  # type: ignore[attr-defined]
    memory = {"usage": used * MIB, "limit": limit * MIB, "available": available * MIB}
    stands = {} if frozen is None else {"frozen": ("memory",), "frozenSeconds": frozen}
    callback = Callback.model_validate(
        {
            "secret": "ns/k1-5c1b0de0a1",
            "pod": "k1-1",
            "boot": "b",
            "sequence": world.sequence,  # type: ignore[attr-defined]
            "generation": 0,
            "state": "running",
            "age": 10,
            "memory": memory,
            **stands,
        }
    )
    secret = world.reconciler.cache.instances.get(("ns", "k1"))
    assert secret is not None
    from kubernel_operator.build.secret import qualified_secret_name

    callback = callback.model_copy(update={"secret": qualified_secret_name(secret)})
    world.now += 2
    world.reconciler.take_callback(callback)
    look(world)


def look(world: World) -> None:
    for _ in range(3):
        world.watch()
        world.reconcile()


def resources(world: World) -> Json:
    (there,) = world.pods()
    found: Json = there["spec"]["containers"][0]["resources"]
    return found


def suspended(world: World) -> tuple[str, str, str] | None:
    found = find_condition(world.instance()["status"]["conditions"], ConditionType.SUSPENDED)
    return (found["status"], found["reason"], found["message"]) if found else None


def kubelet(world: World, in_force: str, *conditions: Json) -> None:
    (there,) = world.pods()
    status = there["status"]
    containers = [{**status["containerStatuses"][0], "resources": both(in_force)}]
    known = [c for c in status["conditions"] if not c["type"].startswith("PodResize")]
    world.change_pod(there, **{**status, "containerStatuses": containers, "conditions": [*known, *conditions]})
    look(world)


def growths() -> float:
    return REGISTRY.get_sample_value("kubernel_memory_growths_total") or 0.0


def test_the_limit_doubles_once(running: World) -> None:
    before = growths()
    says(running, 300, 400, frozen=0.1)
    assert resources(running) == both("800Mi")
    assert [write for write in running.cluster.writes() if write == RESIZE] == [RESIZE]
    says(running, 300, 400, frozen=2.1)  # told again
    assert [write for write in running.cluster.writes() if write == RESIZE] == [RESIZE]
    assert "More is on its way." in (suspended(running) or ("", "", ""))[2]
    assert growths() == before + 1
    kubelet(running, "800Mi")
    says(running, 310, 800)
    assert suspended(running) == ("False", "Running", "")
    assert running.instance()["status"]["resources"] == both("800Mi")


def test_a_quick_growth_is_no_news(running: World) -> None:
    says(running, 300, 400, frozen=0.1)
    kubelet(running, "800Mi")
    says(running, 310, 800)
    assert suspended(running) is None


def test_a_request_below_the_limit_stays(start: Any) -> None:
    world = start({"limits": {"memory": "400Mi"}, "requests": {"memory": "100Mi"}})
    says(world, 300, 400, frozen=0.1)
    assert resources(world) == {"limits": {"memory": "800Mi"}, "requests": {"memory": "100Mi"}}


def test_no_further_than_its_max(start: Any) -> None:
    world = start(both("400Mi"), "600Mi")
    says(world, 300, 400, frozen=0.1)
    assert resources(world) == both("600Mi")
    kubelet(world, "600Mi")
    says(world, 500, 600, frozen=0.1)
    status, reason, message = suspended(world) or ("", "", "")
    assert (status, reason) == ("True", "MemoryLimit")
    assert message.startswith(
        "The kernel stands still: it uses 500Mi of its 600Mi of memory. It may grow by itself to 600Mi and no further: "
    )
    metadata = world.instance()["metadata"]
    assert f"kubernel resize {metadata['name']} -n {metadata['namespace']} --memory AMOUNT" in message
    assert world.instance()["status"]["message"] == message
    assert EVENT in world.cluster.writes()


def test_not_without_a_max(start: Any) -> None:
    world = start(both("400Mi"), None)
    says(world, 300, 400, frozen=0.1)
    assert resources(world) == both("400Mi")


def test_what_is_refused_is_tried_with_less(running: World) -> None:
    running.cluster.refusals["pods/resize"] = ApiError(403, "Forbidden", "exceeded quota: small")
    says(running, 300, 400, frozen=0.1)
    says(running, 300, 400, frozen=2.1)
    _, _, message = suspended(running) or ("", "", "")
    assert "More was refused: exceeded quota: small; ask for less" in message
    resizing = find_condition(running.instance()["status"]["conditions"], ConditionType.RESIZING)
    assert resizing is not None
    assert resizing["reason"] == "ResizeRefused"
    asked = [w for w in running.cluster.writes() if w == RESIZE]
    assert len(asked) == 3, "800, 600 and 500Mi"
    del running.cluster.refusals["pods/resize"]
    running.now += 5
    says(running, 300, 400, frozen=7)
    assert resources(running) == both("800Mi")


def test_what_is_refused_again_and_again_is_said_once(running: World) -> None:
    running.cluster.refusals["pods/resize"] = ApiError(403, "Forbidden", "exceeded quota: small")
    says(running, 300, 400, frozen=0.1)
    says(running, 300, 400, frozen=2.1)
    said, before = suspended(running), running.cluster.writes()
    assert "It is tried again every 5 s." in (said or ("", "", ""))[2]
    assert before.count(EVENT) == 2, "that it stands still, and that the last one was refused"
    for seconds in range(4, 24, 2):
        says(running, 300, 400, frozen=seconds + 0.1)
        assert suspended(running) == said
    after = running.cluster.writes()
    assert after.count(RESIZE) >= before.count(RESIZE) + 6
    assert (after.count(EVENT), after.count(STATUS)) == (before.count(EVENT), before.count(STATUS))


@pytest.mark.parametrize("reason", ["Deferred", "Infeasible"])
def test_what_the_node_has_not_is_tried_with_less(running: World, reason: str) -> None:
    says(running, 300, 400, frozen=0.1)
    pending = {"type": "PodResizePending", "status": "True", "reason": reason, "message": "No room"}
    kubelet(running, "400Mi", pending)
    assert resources(running) == both("500Mi")
    kubelet(running, "400Mi", pending)
    assert resources(running) == both("500Mi")
    says(running, 300, 400, frozen=3)
    assert "Node node1 has no more: No room." in (suspended(running) or ("", "", ""))[2]


def test_a_node_that_has_nothing_left(start: Any) -> None:
    """Limits alone are no business of its scheduler: they may promise what there is not."""
    world = start({"limits": {"memory": "400Mi"}, "requests": {"memory": "100Mi"}}, "100Gi")
    says(world, 300, 400, frozen=0.1, available=250)
    assert resources(world)["limits"] == {"memory": "550Mi"}
    kubelet(world, "550Mi")
    says(world, 500, 550, frozen=0.1, available=20)
    assert "Node node1 has 20Mi left." in (suspended(world) or ("", "", ""))[2]


def test_an_operator_that_takes_over_finds_it_done_or_does_it(running: World) -> None:
    running.start_operator()
    says(running, 300, 400, frozen=3)
    assert resources(running) == both("800Mi")
    running.start_operator()
    says(running, 300, 400, frozen=5)
    assert resources(running) == both("800Mi")


def test_what_has_grown_stays_so_when_something_else_changes(running: World) -> None:
    says(running, 300, 400, frozen=0.1)
    kubelet(running, "800Mi")
    instance = running.instance()
    spec = {**instance["spec"], "env": [{"name": "A", "value": "1"}]}
    running.apply({**instance, "metadata": {**instance["metadata"], "generation": 2}, "spec": spec})
    look(running)
    assert resources(running) == both("800Mi")


def test_usage_is_written_when_it_has_changed(running: World) -> None:
    says(running, 100, 400)
    assert running.instance()["status"]["memory"] == {
        "usage": "100Mi",
        "limit": "400Mi",
        "time": "2027-01-15T08:00:02Z",
    }
    before = len(running.cluster.writes())
    for used in (101, 110, 115, 101):
        running.now += 60
        says(running, used, 400)
    assert len(running.cluster.writes()) == before
    running.now += 60
    says(running, 200, 400)
    assert running.instance()["status"]["memory"]["usage"] == "200Mi"
    says(running, 300, 400)  # two seconds later
    assert running.instance()["status"]["memory"]["usage"] == "200Mi"
    assert running.now > NOW


def test_what_was_asked_for_in_vain_does_not_keep_it_from_growing(running: World) -> None:
    """Somebody asked for 64Gi, which a quota refuses; the kernel needs 800Mi, which it has."""
    running.cluster.refusals["pods/resize"] = ApiError(403, "Forbidden", "exceeded quota: small")
    instance = running.instance()
    spec = {**instance["spec"], "resources": both("64Gi")}
    running.apply({**instance, "metadata": {**instance["metadata"], "generation": 2}, "spec": spec})
    look(running)
    assert resources(running) == both("400Mi")
    del running.cluster.refusals["pods/resize"]
    says(running, 300, 400, frozen=0.1)
    assert resources(running) == both("800Mi")
