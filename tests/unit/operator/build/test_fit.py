"""Which pods of pools fit, and what is said of those that do not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.objects import SETTINGS
from kubernel_operator.build.fit import differences, shape_of, why_none
from kubernel_operator.observe.pool_facts import Shape

Json = dict[str, Any]

amounts = st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from(["1", "1000m", "2Gi", "2048Mi"]))
specs = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from(["a:1", "b:1"]),
        "imagePullPolicy": st.sampled_from(["Never", "Always"]),
        "imagePullSecrets": st.sampled_from([[], [{"name": "s"}]]),
        "resources": st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts}),
        "memory": st.sampled_from([{"max": "4Gi"}, {"max": "8Gi"}, {"max": "4Gi", "whenFull": "Kill"}]),
        "nodeSelector": st.sampled_from([{}, {"gpu": "yes"}]),
        "tolerations": st.sampled_from([[], [{"key": "gpu", "operator": "Exists"}]]),
        "priorityClassName": st.sampled_from(["high", "low"]),
        "runtimeClassName": st.just("gvisor"),
        "volumes": st.sampled_from([[], [{"name": "v", "mountPath": "/v", "emptyDir": {}}]]),
        "kernel": st.sampled_from([{}, {"fork": "Never"}, {"fork": "Auto"}, {"name": "ir"}, {"preload": ["pandas"]}]),
        "env": st.sampled_from([[], [{"name": "WHO", "value": "ada"}]]),
        "workingDir": st.just("/home"),
        "owner": st.just("ada"),
        "suspend": st.booleans(),
        "restartGeneration": st.integers(0, 2),
        "lifecycle": st.just({"idleTimeoutSeconds": 60}),
        "connection": st.just({"service": "None"}),
        "startupCPU": st.just("2"),
    },
)


def shape(spec: Json) -> Shape:
    return shape_of(spec, SETTINGS, None, "supervisor")


@given(specs, specs)
def test_what_does_not_fit_differs_in_a_field_that_can_be_named(one: Json, other: Json) -> None:
    fits = shape(one).digest == shape(other).digest
    assert bool(differences(shape(one), shape(other))) is not fits


def test_of_several_pools_the_nearest_is_named() -> None:
    wanted = shape({"image": "a:1", "resources": {"limits": {"memory": "1Gi"}}})
    pools = {
        "far": shape({"image": "b:1", "resources": {"limits": {"memory": "2Gi"}}}),
        "near": shape({"image": "a:1", "resources": {"limits": {"memory": "3Gi"}}}),
    }
    cold = why_none(pools, wanted)
    assert cold.reason == "NoPoolFits"
    assert cold.message == "KernelPool near has resources.limits.memory 3Gi, this kernel 1Gi."


def test_three_fields_are_named_and_the_others_counted() -> None:
    spec = {"image": "a:1", "priorityClassName": "low", "runtimeClassName": "gvisor", "nodeSelector": {"gpu": "yes"}}
    message = why_none({"pool": shape({"image": "b:1"})}, shape(spec)).message
    assert message == (
        "KernelPool pool has image b:1, this kernel a:1; nodeSelector.gpu none, this kernel yes; "
        "priorityClassName none, this kernel low; 1 more differ."
    )


@pytest.mark.parametrize("pools", [{}, {"pool": shape({"image": "a:1"})}])
def test_there_is_always_a_sentence(pools: dict[str, Shape]) -> None:
    assert why_none(pools, shape({"image": "a:1"})).message
