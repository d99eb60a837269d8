"""What a KernelInstance may ask for. Each bound refuses one thing, in words, and admits another."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.objects import SETTINGS, seen, template
from kubernel_api.conditions import Reason
from kubernel_operator.decide.bounds import allows, objection
from kubernel_operator.observe.template_facts import Bounds

BOUNDS = {
    "images": ["registry.example.org/*", "python:3"],
    "imagePullSecrets": [],
    "claims": ["home-*"],
    "env": ["APP_*"],
    "nodeSelectorKeys": ["zone"],
    "tolerationKeys": ["kernels.example.org/*"],
    "priorityClasses": ["low"],
    "runtimeClasses": ["gvisor"],
    "encryption": ["Curve"],
    "maxResources": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": 0},
    "maxActiveDeadlineSeconds": 3600,
    "maxIdleTimeoutSeconds": 600,
    "maxStartDeadlineSeconds": 900,
    "maxTtlSecondsAfterFinished": 60,
}


def claim(name: str) -> list[dict[str, Any]]:
    return [{"name": "v", "mountPath": "/v", "persistentVolumeClaim": {"claimName": name}}]


def refused(spec: dict[str, Any], bounds: dict[str, Any] = BOUNDS, **fields: Any) -> str:
    """Why a KernelInstance of a template with those bounds gets no pod; "" when it gets one."""
    spec = {"templateName": "gpu", "connection": {"encryption": "Curve"}, **spec}
    found = objection(spec, seen(template=template(bounds=bounds, **fields)), SETTINGS)
    assert found is None or found.reason is Reason.FORBIDDEN
    return found.message if found else ""


@pytest.mark.parametrize(
    ("bad", "good", "words"),
    [
        (
            {"image": "quay.io/x"},
            {"image": "registry.example.org/a/b:1"},
            "spec.image: quay.io/x is not allowed; images of KernelTemplate gpu has registry.example.org/*, python:3.",
        ),
        (
            {"imagePullSecrets": [{"name": "s"}]},
            {"imagePullSecrets": []},
            "spec.imagePullSecrets: s is not allowed; imagePullSecrets of KernelTemplate gpu has none.",
        ),
        (
            {"volumes": claim("claim-b")},
            {"volumes": claim("home-a")},
            "spec.volumes[v]: claim-b is not allowed; claims of KernelTemplate gpu has home-*.",
        ),
        (
            {"env": [{"name": "LD_PRELOAD"}]},
            {"env": [{"name": "APP_A"}]},
            "spec.env: LD_PRELOAD is not allowed; env of KernelTemplate gpu has APP_*.",
        ),
        (
            {"nodeSelector": {"pool": "a"}},
            {"nodeSelector": {"zone": "a"}},
            "spec.nodeSelector: pool is not allowed; nodeSelectorKeys of KernelTemplate gpu has zone.",
        ),
        (
            {"tolerations": [{"operator": "Exists"}]},
            {"tolerations": [{"key": "kernels.example.org/gpu"}]},
            "spec.tolerations: (no key) is not allowed; tolerationKeys of KernelTemplate gpu has "
            "kernels.example.org/*.",
        ),
        (
            {"priorityClassName": "high"},
            {"priorityClassName": "low"},
            "spec.priorityClassName: high is not allowed; priorityClasses of KernelTemplate gpu has low.",
        ),
        (
            {"runtimeClassName": "runc"},
            {"runtimeClassName": "gvisor"},
            "spec.runtimeClassName: runc is not allowed; runtimeClasses of KernelTemplate gpu has gvisor.",
        ),
        (
            {"connection": {"encryption": "Disabled"}},
            {"connection": {"encryption": "Curve"}},
            "spec.connection.encryption: Disabled is not allowed; encryption of KernelTemplate gpu has Curve.",
        ),
        (
            {"connection": {}},
            {"connection": {"encryption": "Auto"}},
            "spec.connection.encryption: Disabled is not allowed; encryption of KernelTemplate gpu has Curve.",
        ),
        (
            {"resources": {"requests": {"cpu": "4500m"}}},
            {"resources": {"requests": {"cpu": "4000m"}, "limits": {"memory": "8192Mi"}}},
            "spec.resources.requests.cpu: 4500m is more than 4, maxResources of KernelTemplate gpu.",
        ),
        (
            {"resources": {"limits": {"memory": "+16Gi"}}},
            {"resources": {"limits": {"memory": "+8Gi"}}},
            "spec.resources.limits.memory: +16Gi is more than 8Gi, maxResources of KernelTemplate gpu.",
        ),
        (
            {"resources": {"limits": {"nvidia.com/gpu": 1}}},
            {"resources": {"limits": {"example.org/tpu": 1}}},
            "spec.resources.limits.nvidia.com/gpu: 1 is more than 0, maxResources of KernelTemplate gpu.",
        ),
        (
            {"lifecycle": {"activeDeadlineSeconds": 3601}},
            {"lifecycle": {"activeDeadlineSeconds": 3600}},
            "spec.lifecycle.activeDeadlineSeconds: 3601 is more than 3600, maxActiveDeadlineSeconds of "
            "KernelTemplate gpu.",
        ),
        (
            {"lifecycle": {"idleTimeoutSeconds": 601}},
            {"lifecycle": {"idleTimeoutSeconds": 600}},
            "spec.lifecycle.idleTimeoutSeconds: 601 is more than 600, maxIdleTimeoutSeconds of KernelTemplate gpu.",
        ),
        (
            {"lifecycle": {"startDeadlineSeconds": 901}},
            {"lifecycle": {"startDeadlineSeconds": 300}},
            "spec.lifecycle.startDeadlineSeconds: 901 is more than 900, maxStartDeadlineSeconds of KernelTemplate gpu.",
        ),
        (
            {"lifecycle": {"ttlSecondsAfterFinished": 61}},
            {"lifecycle": {"ttlSecondsAfterFinished": 0}},
            "spec.lifecycle.ttlSecondsAfterFinished: 61 is more than 60, maxTtlSecondsAfterFinished of "
            "KernelTemplate gpu.",
        ),
    ],
)
def test_each_bound(bad: dict[str, Any], good: dict[str, Any], words: str) -> None:
    assert refused(bad) == words
    assert refused(good) == ""
    assert refused(bad, bounds={}) == ""


def test_all_that_is_wrong_is_said_at_once() -> None:
    said = refused({"image": "a", "priorityClassName": "b"})
    assert "spec.image" in said
    assert "spec.priorityClassName" in said


def test_a_runtime_class_of_the_administrator_cannot_be_undone() -> None:
    settings = replace(SETTINGS, runtime_class_name="gvisor")
    found = objection({"runtimeClassName": "runc"}, seen(), settings)
    assert found is not None
    assert found.message == "spec.runtimeClassName: runc is not allowed; the administrator's is gvisor."
    assert objection({"runtimeClassName": "gvisor"}, seen(), settings) is None
    assert objection({}, seen(), settings) is None
    opened = replace(settings, kernel_bounds=Bounds(runtime_classes=("runc",)))
    assert objection({"runtimeClassName": "runc"}, seen(), opened) is None


def test_the_operators_bounds_are_for_kernels_without_a_template() -> None:
    settings = replace(SETTINGS, kernel_bounds=Bounds(images=("a/*",)))
    found = objection({"image": "b"}, seen(), settings)
    assert found is not None
    assert found.message == "spec.image: b is not allowed; images of the operator's kernelBounds has a/*."
    assert objection({"image": "b", "templateName": "gpu"}, seen(template=template()), settings) is None


def test_a_volume_of_the_templates_name_is_refused() -> None:
    pod = {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}}
    said = refused({"volumes": claim("home-a")}, pod=pod)
    assert said == "spec.volumes[v]: KernelTemplate gpu has a volume of that name; choose another one."


def test_a_template_that_is_not_there_is_waited_for() -> None:
    found = objection({"templateName": "gpu"}, seen(no_template="There is no KernelTemplate gpu in x."), SETTINGS)
    assert found is not None
    assert (found.reason, found.message) == (Reason.TEMPLATE_NOT_FOUND, "There is no KernelTemplate gpu in x.")


patterns = st.text("ab*.", max_size=8)


@given(st.lists(patterns, max_size=3), st.text("ab.", max_size=8))
def test_a_star_stands_for_any_text_and_nothing_else_does(found: list[str], name: str) -> None:
    expected = any(re.fullmatch(re.escape(p).replace(r"\*", ".*"), name) for p in found)
    assert allows(tuple(found), name) is expected
    assert allows(None, name)
