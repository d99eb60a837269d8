"""A KernelInstance's spec with all defaults filled in."""

from dataclasses import replace
from typing import Any

import pytest

from fixtures.objects import POD_SECRET, SETTINGS, cr, template
from kubernel_operator.build.pod import build_pod
from kubernel_operator.build.shape import image_of, shaped
from kubernel_operator.observe.template_facts import Bounds, TemplateFacts

CLUSTER = replace(SETTINGS, default_resources={"limits": {"memory": "2Gi"}}, node_selector={"pool": "kernels"})
DEFAULTS = {
    "image": "example.org/gpu:1",
    "imagePullSecrets": [{"name": "registry"}],
    "env": [{"name": "A", "value": "a"}, {"name": "B", "value": "b"}],
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    "nodeSelector": {"gpu": "yes", "zone": "a"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "volumes": [{"name": "data", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "data"}}],
    "runtimeClassName": "gvisor",
    "lifecycle": {"idleTimeoutSeconds": 600},
}


def test_a_spec_that_says_nothing_gets_the_templates_defaults_then_the_operators() -> None:
    found = shaped({}, CLUSTER, template(defaults=DEFAULTS))
    expected = {k: v for k, v in DEFAULTS.items() if k != "lifecycle"}
    assert found.items() >= (expected | {"nodeSelector": {"gpu": "yes", "zone": "a", "pool": "kernels"}}).items()


def test_a_spec_stands_over_defaults_name_by_name() -> None:
    spec = {
        "image": "mine",
        "env": [{"name": "B", "value": "mine"}],
        "resources": {"limits": {"cpu": "2"}},
        "nodeSelector": {"zone": "b", "pool": "other"},
        "volumes": [{"name": "data", "mountPath": "/mine", "emptyDir": {}}],
    }
    found = shaped(spec, CLUSTER, template(defaults=DEFAULTS))
    assert found["image"] == "mine"
    assert found["env"] == [{"name": "A", "value": "a"}, {"name": "B", "value": "mine"}]
    assert found["resources"] == {"limits": {"cpu": "2", "memory": "1Gi"}}
    assert found["nodeSelector"] == {"gpu": "yes", "zone": "b", "pool": "kernels"}
    assert [v["mountPath"] for v in found["volumes"]] == ["/mine"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # What has no limit gets the highest one, and no request that would reserve all of it.
        ({}, {"requests": {"cpu": "0"}, "limits": {"memory": "1Gi", "cpu": "4"}}),
        ({"limits": {"cpu": "2"}}, {"limits": {"memory": "1Gi", "cpu": "2"}}),
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi", "cpu": "4"}}),
    ],
)
def test_bounds_are_limits_of_what_has_none(said: dict[str, Any], expected: dict[str, Any]) -> None:
    bounds = Bounds(max_resources={"cpu": "4", "memory": "1Gi", "nvidia.com/gpu": "1"})
    assert shaped({"resources": said}, replace(CLUSTER, kernel_bounds=bounds), None)["resources"] == expected


def idle_timeout(spec: dict[str, Any], found: TemplateFacts) -> tuple[str, str | None]:
    """What the supervisor is told, and what the pod remembers."""
    built = build_pod(
        cr(**spec),
        SETTINGS,
        incarnation=1,
        callback_url=None,
        pod_secret=POD_SECRET,
        supervisor_map="s",
        template=found,
    )
    config = built["spec"]["containers"][0]["env"][0]["value"]
    told = next(line for line in config.splitlines() if line.startswith("idleTimeoutSeconds="))
    return told.partition("=")[2], built["metadata"]["annotations"].get("kubernel.dev/idle-timeout-seconds")


def test_an_idle_timeout_comes_from_spec_else_defaults_and_never_exceeds_its_bound() -> None:
    found = template(defaults=DEFAULTS, bounds={"maxIdleTimeoutSeconds": 300})
    # The pod remembers the bound: it holds when a change of the spec takes its own timeout away.
    assert idle_timeout({"lifecycle": {"idleTimeoutSeconds": 60}}, found) == ("60", "300")
    assert idle_timeout({}, found) == ("300", "300")
    assert idle_timeout({}, template(defaults=DEFAULTS)) == ("600", "600")


def test_a_deadline_is_the_pods_too_so_that_no_change_of_the_spec_moves_it() -> None:
    found = template(bounds={"maxActiveDeadlineSeconds": 3600})
    built = build_pod(
        cr(), SETTINGS, incarnation=1, callback_url=None, pod_secret=POD_SECRET, supervisor_map="s", template=found
    )
    assert built["spec"]["activeDeadlineSeconds"] == 3600


def test_the_image_is_the_one_of_the_pod() -> None:
    overlay = {"spec": {"containers": [{"name": "kernel", "image": "theirs"}]}}
    assert image_of({"image": "mine"}, SETTINGS, template(pod=overlay)) == "theirs"
    assert image_of({"image": "mine"}, SETTINGS, template(defaults=DEFAULTS)) == "mine"
    assert image_of({}, SETTINGS, template(defaults=DEFAULTS)) == "example.org/gpu:1"
    assert image_of({}, SETTINGS, template()) == SETTINGS.default_image
