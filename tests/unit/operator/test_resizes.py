"""cpu and memory of a living kernel are changed: what is asked of the API server, what is said, what is left alone."""

from typing import Any

import pytest

from fixtures.objects import SETTINGS, cr, pod, ready_status
from fixtures.operator_world import World
from kubernel_api.conditions import ConditionType, find_condition
from kubernel_cluster.errors import ApiError, ApiUnavailableError, ConflictError
from kubernel_operator.build.shape import shaped
from kubernel_operator.decide.resources.resizing import RETRY_SECONDS, wanted_sizes
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.pod_facts import pod_facts

Json = dict[str, Any]
RESIZE = ("patch", "pods/resize")
STATUS = ("patch", "kernelinstances/status")
EVENT = ("create", "events")


def limits(memory: str) -> Json:
    return {"limits": {"memory": memory}, "requests": {"memory": memory}}


def sized_pod(resources: Json, **fields: Any) -> Json:
    """A pod with these resources, in force, made from the first generation of its KernelInstance."""
    made = pod(**fields)
    made["metadata"]["annotations"]["kubernel.dev/generation"] = "1"
    made["spec"]["containers"] = [{"name": "kernel", "resources": resources}]
    made["status"]["containerStatuses"][0]["resources"] = resources
    return made


@pytest.fixture
def running(world: World) -> World:
    """k1 runs with 1Gi, and all of it was said."""
    world.apply(cr(resources={"limits": {"memory": "1Gi"}}, status=ready_status(resources=limits("1Gi"))))
    world.add_service()
    world.supervisors.status["10.0.0.7"] = {"generation": 0, "state": "running"}
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", sized_pod(limits("1Gi")))
    world.watch()
    world.reconcile()
    assert world.cluster.writes() == []
    return world


def change(world: World, memory: str) -> None:
    """Somebody writes another amount, and the operator looks until nothing is to be done at once."""
    instance = world.instance()
    generation = instance["metadata"]["generation"] + 1
    metadata = {**instance["metadata"], "generation": generation}
    world.apply(
        {**instance, "metadata": metadata, "spec": {**instance["spec"], "resources": {"limits": {"memory": memory}}}}
    )
    look(world)


def look(world: World) -> None:
    for _ in range(2):
        world.watch()
        world.reconcile()


def kubelet(world: World, in_force: str, *conditions: Json) -> None:
    """What the node says of the pod by now."""
    (there,) = world.pods()
    status = there["status"]
    containers = [{**status["containerStatuses"][0], "resources": limits(in_force)}]
    known = [c for c in status["conditions"] if not c["type"].startswith("PodResize")]
    world.change_pod(there, **{**status, "containerStatuses": containers, "conditions": [*known, *conditions]})
    look(world)


def resizing(world: World) -> tuple[str, str, str]:
    found = find_condition(world.instance()["status"]["conditions"], ConditionType.RESIZING)
    assert found is not None
    return found["status"], found["reason"], found["message"]


def test_a_change_is_one_request_and_three_words(running: World) -> None:
    change(running, "2Gi")
    assert running.cluster.writes() == [RESIZE, STATUS]
    assert resizing(running) == ("True", "ResizeInProgress", "The node is resizing the kernel to memory 2Gi.")
    assert running.instance()["status"]["resources"] == limits("1Gi")
    kubelet(running, "2Gi")
    assert running.cluster.writes() == [RESIZE, STATUS, STATUS, EVENT]
    assert resizing(running) == ("False", "Resized", "In force: memory 2Gi.")
    status = running.instance()["status"]
    assert (status["resources"], status["observedGeneration"], status["message"]) == (
        limits("2Gi"),
        2,
        "The kernel is ready.",
    )


def test_nothing_is_said_before_the_api_server_has_answered(running: World) -> None:
    running.cluster.refusals["pods/resize"] = ConflictError(409, "Conflict", "the pod has changed")
    with pytest.raises(ConflictError):
        change(running, "2Gi")
    assert running.instance()["status"]["observedGeneration"] == 1


@pytest.mark.parametrize(
    ("reason", "status", "said", "words"),
    [
        ("Deferred", "True", "ResizeDeferred", "The resize to memory 2Gi waits until node node1 has room: No room."),
        (
            "Infeasible",
            "False",
            "ResizeInfeasible",
            "The resize to memory 2Gi is not possible on node node1: No room. Ask for less, or close the kernel and "
            "start it anew, which may find another node.",
        ),
    ],
)
def test_what_the_node_cannot_give(running: World, reason: str, status: str, said: str, words: str) -> None:
    change(running, "2Gi")
    kubelet(running, "1Gi", {"type": "PodResizePending", "status": "True", "reason": reason, "message": "No room"})
    assert resizing(running) == (status, said, words)
    assert running.instance()["status"]["message"] == f"The kernel is ready. {words}"
    assert running.instance()["status"]["reason"] == "Running"


def test_what_the_node_said_of_an_older_resize_is_no_news(running: World) -> None:
    old = {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "observedGeneration": 1}
    change(running, "2Gi")
    running.pods()[0]["metadata"]["generation"] = 2
    kubelet(running, "1Gi", old)
    assert resizing(running)[1] == "ResizeInProgress"


def test_a_refusal_that_may_heal_is_tried_again_every_minute(running: World) -> None:
    running.cluster.refusals["pods/resize"] = ApiError(403, "Forbidden", "exceeded quota: q")
    change(running, "2Gi")
    assert resizing(running)[:2] == ("False", "ResizeRefused")
    assert "exceeded quota: q; ask for less" in resizing(running)[2]
    assert running.instance()["status"]["observedGeneration"] == 2
    look(running)
    assert running.cluster.writes().count(RESIZE) == 1
    del running.cluster.refusals["pods/resize"]
    running.now += RETRY_SECONDS
    look(running)
    assert resizing(running)[1] == "ResizeInProgress"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ApiError(404, "NotFound", "the server could not find the requested resource"), "1.33 and newer can"),
        (ApiError(422, "Invalid", "Pod QOS Class may not change as a result of resizing"), "keeps its QoS class"),
        (ApiError(422, "Invalid", '"BestEffort": Pod QOS Class may not change'), "start the kernel anew"),
        (ApiError(422, "Invalid", "limits cannot be removed"), "limits cannot be removed"),
    ],
)
def test_a_refusal_that_does_not_heal_is_not_tried_again(running: World, error: ApiError, words: str) -> None:
    running.cluster.refusals["pods/resize"] = error
    change(running, "2Gi")
    running.now += RETRY_SECONDS
    look(running)
    assert words in resizing(running)[2]
    assert running.cluster.writes().count(RESIZE) == 1
    del running.cluster.refusals["pods/resize"]
    change(running, "3Gi")
    assert resizing(running)[1] == "ResizeInProgress"


def test_a_new_operator_asks_once_more_for_what_was_refused(running: World) -> None:
    running.cluster.refusals["pods/resize"] = ApiError(403, "Forbidden", "exceeded quota: q")
    change(running, "2Gi")
    running.start_operator()
    running.reconcile()
    assert running.cluster.writes().count(RESIZE) == 2
    assert running.cluster.writes().count(STATUS) == 1


def test_what_others_made_of_the_pod_is_left_alone(world: World) -> None:
    """A webhook gave it less than was asked for; an autoscaler changed it later."""
    world.apply(cr(resources={"limits": {"memory": "1Gi"}}, status=ready_status(resources=limits("512Mi"))))
    world.add_service()
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", sized_pod(limits("512Mi")))
    look(world)
    assert world.cluster.writes() == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"bounds": {"maxResources": {"memory": "1Gi"}}}, "2Gi is more than 1Gi, maxResources of KernelTemplate gpu."),
        (
            {"pod": {"spec": {"containers": [{"name": "kernel", "resources": limits("1Gi")}]}}},
            "spec.resources.limits.memory: KernelTemplate gpu has set it to 1Gi.",
        ),
        (None, "There is no KernelTemplate gpu in namespace kubernel-system."),
    ],
)
def test_what_bounds_a_pod_bounds_its_resize(running: World, template: Json | None, words: str) -> None:
    instance = running.instance()
    running.apply({**instance, "spec": {**instance["spec"], "templateName": "gpu"}})
    if template is not None:
        metadata = {"name": "gpu", "uid": "uid-gpu", "generation": 1, "resourceVersion": "1"}
        running.templates.apply("ADDED", {"metadata": metadata, "spec": template})
    change(running, "2Gi")
    assert resizing(running)[:2] == ("False", "ResizeRefused")
    assert words in resizing(running)[2]
    assert RESIZE not in running.cluster.writes()
    assert running.instance()["status"]["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("spec", "there", "wanted"),
    [
        pytest.param(
            {"limits": {"memory": "2Gi"}}, limits("1Gi"), limits("2Gi"), id="a request that was made from the limit"
        ),
        pytest.param(
            {"limits": {"memory": "2Gi"}},
            {"limits": {"memory": "1Gi"}, "requests": {"memory": "512Mi"}},
            {"limits": {"memory": "2Gi"}},
            id="a request of its own",
        ),
        pytest.param(
            {"limits": {"memory": "256Mi"}},
            {"limits": {"memory": "1Gi"}, "requests": {"memory": "512Mi"}},
            limits("256Mi"),
            id="a request that would be above its limit",
        ),
        pytest.param(
            {"limits": {"memory": "1Gi", "cpu": "1"}},
            limits("1Gi"),
            {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"memory": "1Gi", "cpu": "0"}},
            id="a limit where there was nothing",
        ),
        pytest.param(
            {"requests": {"cpu": "2"}},
            {"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}},
            {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}},
            id="a limit that would be below its request",
        ),
    ],
)
def test_what_goes_with_a_change(spec: Json, there: Json, wanted: Json) -> None:
    found = wanted_sizes(kernel_facts(cr(resources=spec)), pod_facts(sized_pod(there)))
    assert found.as_json() == wanted


def test_the_same_amount_in_other_words_is_no_change(running: World) -> None:
    change(running, "1024Mi")
    assert RESIZE not in running.cluster.writes()
    assert running.instance()["status"]["observedGeneration"] == 2


def test_amounts_that_kubernetes_would_round_are_rounded_before(running: World) -> None:
    """A kubelet goes on for ever with what it has to round."""
    change(running, "1.3Gi")
    assert running.pods()[0]["spec"]["containers"][0]["resources"] == limits("1395864372")
    kubelet(running, "1395864372")
    assert resizing(running) == ("False", "Resized", "In force: memory 1395864372.")
    assert running.cluster.writes().count(RESIZE) == 1


def test_a_new_pod_has_amounts_that_kubernetes_need_not_round() -> None:
    resources = {"limits": {"cpu": "100.5m", "memory": "1.3Gi", "nvidia.com/gpu": 1}, "requests": {"memory": "1Gi"}}
    found = shaped({"resources": resources}, SETTINGS, None)["resources"]
    assert found["limits"] == {"cpu": "101m", "memory": "1395864372", "nvidia.com/gpu": 1}
    assert found["requests"]["memory"] == "1Gi"


def test_an_api_server_that_fails_is_no_operator_that_does_not_look(running: World) -> None:
    words = 'failed calling webhook "policy.example.org": connection refused'
    running.cluster.refusals["pods/resize"] = ApiUnavailableError("PATCH: 500", status=500, message=words)
    with pytest.raises(ApiUnavailableError):
        change(running, "2Gi")
    with pytest.raises(ApiUnavailableError):
        look(running)
    said = f"The resize to memory 2Gi has not come through yet, it is tried again: {words}."
    assert resizing(running) == ("True", "APIError", said)
    status = running.instance()["status"]
    assert (status["observedGeneration"], status["message"]) == (2, f"The kernel is ready. {said}")
    running.reconciler.forget()
    with pytest.raises(ApiUnavailableError):
        look(running)  # so does the next operator
    assert running.instance()["status"] == status
    del running.cluster.refusals["pods/resize"]
    look(running)
    kubelet(running, "2Gi")
    assert resizing(running)[1] == "Resized"


def test_less_memory_than_is_in_use(running: World) -> None:
    change(running, "512Mi")
    words = "cannot decrease memory limits: attempting to set pod memory limit (1) below current usage (2)"
    kubelet(running, "1Gi", {"type": "PodResizeInProgress", "status": "True", "reason": "Error", "message": words})
    assert resizing(running) == (
        "True",
        "ResizeInProgress",
        f"Node node1 cannot resize the kernel to memory 512Mi yet, and tries again: {words}. Have the kernel use less, "
        "or ask for more.",
    )


def test_a_pod_that_has_yet_to_run_starts_with_what_it_has(running: World) -> None:
    """No node was at it, but the status said so, and an Event later that it had done it."""
    change(running, "2Gi")
    kubelet(running, "2Gi")
    events = running.cluster.writes().count(EVENT)
    (there,) = running.pods()
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}
    running.reconciler.forget()
    running.supervisors.status.clear()
    instance = running.instance()
    metadata = {**instance["metadata"], "generation": instance["metadata"]["generation"] + 1}
    spec = {**instance["spec"], "restartGeneration": 1}
    running.apply({**instance, "metadata": metadata, "spec": spec, "status": {**instance["status"], "podName": "k1-2"}})
    there["metadata"]["annotations"] |= {"kubernel.dev/restart-generation": "1"}
    running.change_pod(there, phase="Pending", conditions=[unscheduled])
    look(running)
    assert running.instance()["status"]["reason"] == "Unschedulable"
    assert resizing(running) == ("False", "Resized", "In force: memory 2Gi.")
    assert running.cluster.writes().count(EVENT) == events + 1, "that it has no node, and nothing of its size"


def test_a_pod_that_has_no_node_is_resized_by_none(world: World) -> None:
    world.apply(cr(resources={"limits": {"memory": "1Gi"}}))
    world.add_service()
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", sized_pod(limits("1Gi")))
    (there,) = world.pods()
    world.change_pod(there, phase="Pending", conditions=[])
    look(world)
    change(world, "2Gi")
    world.now += 5
    look(world)
    assert resizing(world) == ("False", "Resized", "In force: memory 2Gi.")


def test_a_kernel_that_is_ready_before_its_kubelet_has_looked_waits_for_it(running: World) -> None:
    (there,) = running.pods()
    running.change_pod(there, **{**there["status"], "containerStatuses": []})
    look(running)
    change(running, "2Gi")
    assert resizing(running)[1] == "ResizeInProgress"
