"""Owners."""

from typing import Any

import pytest

from fixtures.objects import UID, cr, pod
from kubernel_api.children import child_metadata, pod_labels
from kubernel_operator.observe.facts import controller_uid


@pytest.mark.parametrize(
    ("owners", "uid"),
    [
        pytest.param([], None, id="none"),
        pytest.param([{"uid": "a"}, {"uid": "b", "controller": False}], None, id="none that controls"),
        pytest.param([{"uid": "a"}, {"uid": "b", "controller": True}], "b", id="the one that controls"),
    ],
)
def test_controller_uid(owners: list[dict[str, Any]], uid: str | None) -> None:
    assert controller_uid({"metadata": {"ownerReferences": owners}}) == uid


def test_children_and_their_owner_find_each_other() -> None:
    assert controller_uid({"metadata": child_metadata(cr(), "k1-1")}) == controller_uid(pod()) == UID


def test_only_pods_have_the_kernels_id() -> None:
    instance = cr(labels={"kubernel.dev/kernel-id": "id-1", "other": "x"})
    assert pod_labels(instance) == {"kubernel.dev/kernel-id": "id-1"}
    assert pod_labels(cr()) == {}
    assert child_metadata(instance, "k1")["labels"] == {
        "app.kubernetes.io/managed-by": "kubernel",
        "app.kubernetes.io/component": "kernel",
        "kubernel.dev/instance": "k1",
    }
