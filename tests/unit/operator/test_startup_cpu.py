"""A kernel with a small CPU limit starts with more, and gets its own as soon as it is ready."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fixtures.objects import SETTINGS, SUPERVISOR_MAP, cr, pod, ready_status
from fixtures.operator_world import World
from fixtures.pools import pool as a_pool
from kubernel_api.conditions import ConditionType, find_condition
from kubernel_api.constants import ANNOTATION_SHAPE, ANNOTATION_STARTUP_CPU
from kubernel_api.quantity import amount
from kubernel_cluster.errors import ApiError
from kubernel_operator.build.fit import shape_of
from kubernel_operator.build.member import build_member
from kubernel_operator.build.pod import build_pod, without_startup_cpu
from kubernel_operator.build.shape import shaped, startup_cpu
from kubernel_operator.decide.bounds import objection
from kubernel_operator.decide.resources.resizing import RETRY_SECONDS
from kubernel_operator.observe.observed import Observed
from kubernel_operator.observe.pod_facts import pod_facts
from kubernel_operator.observe.pool_facts import pool_facts
from kubernel_operator.observe.template_facts import Bounds, TemplateFacts

Json = dict[str, Any]
SMALL = {"limits": {"cpu": "250m"}}
RESIZE, STATUS, EVENT = ("patch", "pods/resize"), ("patch", "kernelinstances/status"), ("create", "events")
QUOTA = "exceeded quota: small, requested: limits.cpu=1, used: limits.cpu=0, limited: limits.cpu=500m"


def boost(spec: Json, *, most: str = "", template: TemplateFacts | None = None, bounds: Json | None = None) -> Any:
    settings = replace(SETTINGS, startup_cpu=most, kernel_bounds=Bounds(max_resources=bounds or {}))
    return startup_cpu(shaped(spec, settings, template), settings, template)


@pytest.mark.parametrize(
    ("spec", "how", "found"),
    [
        pytest.param({"resources": SMALL}, {}, None, id="nobody said so"),
        pytest.param({"resources": SMALL}, {"most": "1"}, ("1", "250m"), id="the operator's default"),
        pytest.param({"resources": SMALL, "startupCPU": 2}, {"most": "1"}, ("2", "250m"), id="its own word"),
        pytest.param({}, {"most": "1"}, None, id="no limit"),
        pytest.param({"resources": {"limits": {"cpu": 2}}}, {"most": "1"}, None, id="a larger limit"),
        pytest.param({"resources": SMALL}, {"most": "4", "bounds": {"cpu": "2"}}, ("2", "250m"), id="within bounds"),
        pytest.param(
            {"resources": {"limits": {"cpu": "250m", "memory": "1Gi"}}}, {"most": "1"}, None, id="it is Guaranteed"
        ),
        pytest.param(
            {"resources": {"limits": {"cpu": "250m", "memory": "1Gi"}, "requests": {"memory": "100Mi"}}},
            {"most": "1"},
            ("1", "250m"),
            id="it is Burstable",
        ),
        pytest.param(
            {"resources": SMALL},
            {"template": TemplateFacts("t", "u", defaults={"startupCPU": "500m"})},
            ("500m", "250m"),
            id="the template's default",
        ),
        pytest.param(
            {"resources": SMALL, "startupCPU": 1},
            {
                "template": TemplateFacts(
                    "t",
                    "u",
                    pod={"spec": {"containers": [{"name": "kernel", "resources": {"limits": {"cpu": "250m"}}}]}},
                )
            },
            None,
            id="the template's pod has its own word",
        ),
    ],
)
def test_who_starts_with_more(spec: Json, how: Json, found: Any) -> None:
    assert boost(spec, **how) == found


def built(**spec: Any) -> Json:
    return build_pod(
        cr(**spec), SETTINGS, incarnation=1, callback_url=None, pod_secret="s", supervisor_map=SUPERVISOR_MAP
    )


def test_the_pod() -> None:
    made = built(resources=SMALL, startupCPU="1")
    resources = made["spec"]["containers"][0]["resources"]
    assert (resources["limits"]["cpu"], resources["requests"]["cpu"]) == ("1", "250m")
    assert pod_facts(made).startup_cpu == ("1", "250m")


def test_a_pod_without_it_is_the_same_but_for_the_request_that_kubernetes_would_add() -> None:
    made, plain = built(resources=SMALL, startupCPU="1"), built(resources=SMALL)
    assert without_startup_cpu(plain) is None
    plain["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "250m"}
    assert without_startup_cpu(made) == plain


def test_no_more_than_the_bounds_allow() -> None:
    settings = replace(SETTINGS, kernel_bounds=Bounds(max_resources={"cpu": "1"}))
    refusal = objection({"startupCPU": 2}, Observed(), settings)
    assert refusal is not None
    assert refusal.message == "spec.startupCPU: 2 is more than 1, maxResources of the operator's kernelBounds."


@pytest.mark.parametrize("text", ["", "1", "1 2", "1 250m 3", "much little", "1..2 1", "1 0", "1 -1"])
def test_an_annotation_that_somebody_else_wrote(text: str) -> None:
    made = pod()
    made["metadata"]["annotations"][ANNOTATION_STARTUP_CPU] = text
    assert pod_facts(made).startup_cpu is None


def sized(cpu: str, memory: str = "256Mi") -> Json:
    return {"limits": {"cpu": cpu, "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": memory}}


RESOURCES = {"limits": {"cpu": "250m", "memory": "1Gi"}, "requests": {"memory": "256Mi"}}


@pytest.fixture
def made(world: World) -> Callable[..., World]:
    """``made(ready=...)``: k1 has the limit of its start, and is ready or about to be."""

    def make(*, ready: bool, resources: Json = RESOURCES) -> World:
        has = sized("1")
        status = {"status": ready_status(resources=has)} if ready else {}
        world.apply(cr(resources=resources, startupCPU="1", **status))
        world.add_service()
        world.supervisors.status["10.0.0.7"] = {"generation": 0, "state": "running" if ready else "starting", "age": 0}
        there = pod()
        there["metadata"]["annotations"] |= {"kubernel.dev/generation": "1", ANNOTATION_STARTUP_CPU: "1 250m"}
        there["spec"]["containers"] = [{"name": "kernel", "resources": has}]
        there["status"]["containerStatuses"][0]["resources"] = has
        world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", there)
        world.watch()
        return world

    return make


@pytest.fixture
def boosted(made: Callable[..., World]) -> World:
    """k1 has just become ready."""
    return made(ready=True)


@pytest.fixture
def running(boosted: World) -> World:
    """k1 runs with its own limit."""
    look(boosted)
    kubelet(boosted)
    assert limit(boosted) == "250m"
    boosted.cluster.requests.clear()
    return boosted


def look(world: World, times: int = 4) -> None:
    for _ in range(times):
        world.watch()
        world.reconcile()


def kubelet(world: World, *, done: bool = True) -> None:
    """The node has done what the pod says, or does it."""
    (there,) = world.pods()
    container = there["status"]["containerStatuses"][0]
    if done:
        container = {**container, "resources": there["spec"]["containers"][0]["resources"]}
    conditions = [c for c in there["status"]["conditions"] if c["type"] != "PodResizeInProgress"]
    conditions += [] if done else [{"type": "PodResizeInProgress", "status": "True"}]
    world.change_pod(there, **{**there["status"], "containerStatuses": [container], "conditions": conditions})
    look(world)


def becomes(world: World, state: str) -> None:
    """The kernel's next state, which the operator asks for."""
    world.supervisors.status["10.0.0.7"]["state"] = state
    world.now += 3
    look(world)


def change(world: World, **spec: Any) -> None:
    """Somebody changes the spec, and the operator looks until nothing is to be done at once."""
    instance = world.instance()
    metadata = {**instance["metadata"], "generation": instance["metadata"]["generation"] + 1}
    world.apply({**instance, "metadata": metadata, "spec": {**instance["spec"], **spec}})
    look(world)


def resources(world: World) -> Json:
    (there,) = world.pods()
    found: Json = there["spec"]["containers"][0]["resources"]
    return found


def limit(world: World) -> str:
    found: str = resources(world)["limits"]["cpu"]
    return found


def resizing(world: World) -> Json | None:
    return find_condition(world.instance()["status"]["conditions"], ConditionType.RESIZING)


def test_it_is_taken_back_once_and_the_status_says_what_is_in_force(boosted: World) -> None:
    look(boosted)
    assert limit(boosted) == "250m"
    assert boosted.cluster.writes() == [RESIZE]
    assert boosted.instance()["status"]["resources"] == sized("1")
    kubelet(boosted, done=False)
    assert resizing(boosted) is None
    kubelet(boosted)
    assert boosted.instance()["status"]["resources"] == sized("250m")
    assert boosted.cluster.writes() == [RESIZE, STATUS]
    assert resizing(boosted) is None, "nobody asked for it"


def test_an_amount_that_kubernetes_rounded_is_taken_back_too(made: Callable[..., World]) -> None:
    world = made(ready=True)
    (there,) = world.pods()
    there["metadata"]["annotations"][ANNOTATION_STARTUP_CPU] = "0.9995 250m"
    world.change_pod(there, **there["status"])
    look(world)
    assert limit(world) == "250m"


def test_it_is_kept_until_the_kernel_is_ready(made: Callable[..., World]) -> None:
    world = made(ready=False)
    becomes(world, "starting")
    assert limit(world) == "1"
    becomes(world, "running")
    assert world.instance()["status"]["phase"] == "Running"
    assert limit(world) == "250m"


def test_an_operator_that_takes_over_takes_it_back(boosted: World) -> None:
    boosted.cluster.fault = lambda request: "refused" if request == RESIZE else ""
    boosted.watch()
    with pytest.raises(Exception, match="refused"):
        boosted.reconcile()
    boosted.cluster.fault = lambda _: ""
    boosted.start_operator()
    look(boosted)
    assert limit(boosted) == "250m"


@pytest.mark.parametrize(
    "error",
    [
        ApiError(403, "Forbidden", "pods/resize is forbidden: the operator cannot patch it"),
        ApiError(404, "NotFound", "the server could not find the requested resource"),
        ApiError(422, "Invalid", "Pod QOS Class may not change as a result of resizing"),
    ],
)
def test_one_that_cannot_be_taken_back_is_told_and_tried_again_for_ever(boosted: World, error: ApiError) -> None:
    boosted.cluster.refusals["pods/resize"] = error
    look(boosted)
    found = resizing(boosted)
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "ResizeRefused")
    assert "The CPU limit of its start, 1, could not be taken back to 250m: " in found["message"]
    assert boosted.instance()["status"]["phase"] == "Running"
    for tries in (2, 3):
        boosted.now += RETRY_SECONDS
        look(boosted)
        assert boosted.cluster.writes().count(RESIZE) == tries
    del boosted.cluster.refusals["pods/resize"]
    boosted.now += RETRY_SECONDS
    look(boosted)
    kubelet(boosted)
    found = resizing(boosted)
    assert found is not None
    assert (limit(boosted), found["reason"]) == ("250m", "Resized")


def test_a_restart_has_it_again(running: World) -> None:
    change(running, restartGeneration=1)
    assert limit(running) == "1"
    assert running.supervisors.asked[-1][1]["op"] in {"restart", "status"}
    kubelet(running)
    becomes(running, "running")
    assert running.instance()["status"]["restartGeneration"] == 1
    assert limit(running) == "250m"
    kubelet(running, done=False)
    kubelet(running)
    assert running.cluster.writes().count(RESIZE) == 2
    assert (resizing(running), EVENT in running.cluster.writes()) == (None, False)


def test_a_restart_that_is_faster_than_the_node(running: World) -> None:
    """Its own limit is asked for again before that of the start was in force."""
    change(running, restartGeneration=1)
    becomes(running, "running")
    kubelet(running, done=False)
    kubelet(running)
    assert (limit(running), resizing(running)) == ("250m", None)


def test_a_restart_changes_nothing_of_what_was_said_of_a_resize(running: World) -> None:
    change(running, resources={**RESOURCES, "limits": {"cpu": "250m", "memory": "2Gi"}})
    kubelet(running)
    said = resizing(running)
    assert said is not None
    assert said["message"] == "In force: cpu 250m, memory 2Gi."
    events = running.cluster.writes().count(EVENT)
    change(running, restartGeneration=1)
    assert limit(running) == "1"
    for done in (False, True):
        kubelet(running, done=done)
    becomes(running, "running")
    for done in (False, True):
        kubelet(running, done=done)
    assert limit(running) == "250m"
    now = resizing(running)
    assert now is not None
    assert (now["reason"], now["message"]) == (said["reason"], said["message"])
    assert running.cluster.writes().count(EVENT) == events


def test_a_restart_does_not_wait_for_it(running: World) -> None:
    running.cluster.refusals["pods/resize"] = ApiError(403, "Forbidden", QUOTA)
    change(running, restartGeneration=1)
    becomes(running, "running")
    assert running.instance()["status"]["restartGeneration"] == 1
    assert running.cluster.writes().count(RESIZE) == 1
    (event,) = (o for path, o in running.cluster.objects.items() if "/events/" in path)
    assert (event["reason"], event["type"]) == ("StartupCPURefused", "Warning")
    assert "startupCPU was refused: exceeded quota: small" in event["message"]


def test_more_that_was_asked_for_in_the_midst_of_a_start_stays(made: Callable[..., World]) -> None:
    world = made(ready=False)
    change(world, resources={**RESOURCES, "limits": {"cpu": "2", "memory": "1Gi"}})
    assert limit(world) == "2"
    becomes(world, "running")
    assert limit(world) == "2"


@pytest.mark.parametrize("ready", [False, True])
def test_the_very_amount_of_a_start_may_be_asked_for(made: Callable[..., World], ready: bool) -> None:
    world = made(ready=ready)
    change(world, resources={**RESOURCES, "limits": {"cpu": "1", "memory": "1Gi"}})
    becomes(world, "running")
    assert limit(world) == "1"
    assert world.instance()["status"]["observedGeneration"] == 2


def test_other_memory_in_the_midst_of_a_start_gives_back_its_cpu_with_it(made: Callable[..., World]) -> None:
    """With all requests equal to limits, taking the CPU back alone would change the QoS class for ever after."""
    world = made(ready=False)
    change(world, resources={**RESOURCES, "requests": {"memory": "1Gi"}})
    assert resources(world) == sized("250m", memory="1Gi")
    becomes(world, "running")
    assert world.cluster.writes().count(RESIZE) == 1


def test_one_who_asks_in_vain_does_not_keep_it(boosted: World) -> None:
    real = boosted.cluster.strategic_patch

    async def quota(path: str, body: Json) -> Json:
        if amount(body["spec"]["containers"][0]["resources"]["limits"]["cpu"]) > 1:
            boosted.cluster.requests.append(RESIZE)
            raise ApiError(403, "Forbidden", QUOTA)
        return await real(path, body)

    boosted.cluster.strategic_patch = quota  # type: ignore[method-assign]
    change(boosted, resources={**RESOURCES, "limits": {"cpu": "64", "memory": "1Gi"}})
    look(boosted, 20)
    assert limit(boosted) == "250m"
    assert boosted.cluster.writes().count(RESIZE) == 2
    found = resizing(boosted)
    assert found is not None
    assert "The resize to cpu 64, memory 1Gi was refused: exceeded quota" in found["message"]


def test_a_quota_without_room_for_it_does_not_hinder_a_start(world: World) -> None:
    world.apply(cr(resources=SMALL, startupCPU="1", connection={"service": "None"}))
    real = world.cluster.create

    async def quota(path: str, body: Json) -> Json:
        if path.endswith("/pods") and amount(body["spec"]["containers"][0]["resources"]["limits"]["cpu"]) > 0.5:
            raise ApiError(403, "Forbidden", QUOTA)
        return await real(path, body)

    world.cluster.create = quota  # type: ignore[method-assign]
    look(world, 2)
    (there,) = world.pods()
    assert limit(world) == "250m"
    assert ANNOTATION_STARTUP_CPU not in there["metadata"]["annotations"]
    (event,) = (o for path, o in world.cluster.objects.items() if "/events/" in path)
    assert event["reason"] == "StartupCPURefused"
    assert event["message"].startswith(f"The kernel starts with its own CPU limit: startupCPU was refused: {QUOTA}")


def test_an_api_server_that_could_not_take_it_back(world: World) -> None:
    world.start_operator(can_resize=False)
    world.apply(cr(resources=SMALL, startupCPU="1", connection={"service": "None"}))
    look(world, 2)
    assert limit(world) == "250m"


def test_members_of_a_pool_start_with_their_own_and_fit_all_the_same() -> None:
    settings = replace(SETTINGS, startup_cpu="1")
    found = pool_facts({"metadata": {**a_pool()["metadata"]}, "spec": {"resources": SMALL}})
    member = build_member(found, "m", settings, operator_key=b"k", callback_url=None, supervisor_map="m", template=None)
    assert member["spec"]["containers"][0]["resources"] == SMALL
    assert ANNOTATION_STARTUP_CPU not in member["metadata"]["annotations"]
    kernel = {**found.kernel_spec, "startupCPU": "2"}
    assert shape_of(kernel, settings, None, "m").digest == member["metadata"]["annotations"][ANNOTATION_SHAPE]
