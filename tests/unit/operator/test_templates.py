"""KernelTemplates: waited for, obeyed by pods that are made from then on, and refused in words."""

from typing import Any

import pytest

from fixtures.objects import NOW, cr, pod, ready_status
from fixtures.operator_world import World
from kubernel_api.conditions import ConditionType, is_true
from kubernel_operator.observe.templates import Templates


def raw(name: str = "gpu", **spec: Any) -> dict[str, Any]:
    """A KernelTemplate as a watch tells it."""
    return {"metadata": {"name": name, "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}, "spec": spec}


def start(world: World, **spec: Any) -> None:
    world.apply(cr(created=NOW, templateName="gpu", **spec))
    world.watch()
    world.reconcile()
    world.watch()


def test_a_kernel_waits_for_its_template_and_starts_when_it_comes(world: World) -> None:
    start(world)
    world.now += 2
    world.reconcile()
    status = world.instance()["status"]
    assert (status["phase"], status["reason"]) == ("Pending", "TemplateNotFound")
    assert status["message"] == "There is no KernelTemplate gpu in namespace kubernel-system."
    assert not is_true(status, ConditionType.STALLED)
    assert world.cluster.writes() == [("patch", "kernelinstances/status"), ("create", "events")]
    world.templates.apply("ADDED", raw(defaults={"image": "example.org/gpu:1"}))
    assert world.reconciler.queue.depth() == 1
    world.watch()
    world.reconcile()
    (made,) = world.pods()
    assert made["spec"]["containers"][0]["image"] == "example.org/gpu:1"


def test_a_template_that_never_comes_is_a_start_that_failed(world: World) -> None:
    start(world)
    world.now += 301
    world.watch()
    world.reconcile()
    status = world.instance()["status"]
    assert status["reason"] == "StartTimeout"
    assert "There is no KernelTemplate gpu" in status["message"]


def test_what_asks_for_too_much_gets_nothing_and_is_told(world: World) -> None:
    world.templates.apply("ADDED", raw(bounds={"images": ["registry.example.org/*"]}))
    start(world, image="quay.io/x")
    status = world.instance()["status"]
    assert (status["reason"], is_true(status, ConditionType.STALLED)) == ("Forbidden", True)
    assert status["message"].startswith("spec.image: quay.io/x is not allowed; images of KernelTemplate gpu has ")
    assert [r for r in world.cluster.writes() if r[0] == "create"] == [("create", "events")]
    world.templates.apply("MODIFIED", raw(bounds={"images": ["*"]}))
    world.watch()
    world.reconcile()
    assert len(world.pods()) == 1


def test_a_change_is_for_the_next_pod(world: World) -> None:
    world.templates.apply("ADDED", raw(defaults={"image": "example.org/gpu:1"}))
    start(world)
    status = ready_status() | {"image": "example.org/gpu:1"}
    world.apply(cr(templateName="gpu", status=status, restartGeneration=0))
    world.templates.apply("MODIFIED", raw(defaults={"image": "example.org/gpu:2"}))
    assert world.reconciler.queue.depth() == 0
    world.watch()
    world.reconcile()
    assert world.instance()["status"]["image"] == "example.org/gpu:1"
    assert [p["spec"]["containers"][0]["image"] for p in world.pods()] == ["example.org/gpu:1"]


def test_it_is_not_known_until_it_was_listed() -> None:
    templates = Templates("kubernel-system")
    assert "cannot read those of namespace kubernel-system yet" in templates.why_missing("gpu")
    changed: list[str] = []
    templates.tell(changed.append)
    templates.replace([raw("a"), raw("b")], 1)
    templates.replace([raw("b", defaults={"image": "x"})], 2)
    templates.apply("DELETED", raw("b"))
    assert changed == ["a", "b", "a", "b", "b"]
    assert templates.get("b") is None
    assert templates.why_missing("b") == "There is no KernelTemplate b in namespace kubernel-system."


@pytest.mark.parametrize("said", [None, 600])
def test_the_idle_timeout_that_a_template_implied_is_not_taken_for_a_change(world: World, said: int | None) -> None:
    """The pod remembers it: what the template says by now is for the next pod."""
    annotated = pod()
    annotated["metadata"]["annotations"]["kubernel.dev/idle-timeout-seconds"] = "600"
    world.cluster.put("/api/v1/namespaces/ns/pods/k1-1", annotated)
    world.add_service()
    lifecycle = {"idleTimeoutSeconds": said} if said else {}
    world.apply(cr(templateName="gpu", lifecycle=lifecycle, status=ready_status(), generation=2))
    world.supervisors.status["10.0.0.7"] = {"generation": 0, "state": "running"}
    world.watch()
    world.reconcile()
    asked = [request for _, request in world.supervisors.asked if request["op"] == "configure"]
    assert all(request["idleTimeoutSeconds"] == 600 for request in asked)
