"""Which KernelInstances a Jupyter server that starts takes for its own."""

import json
from typing import Any

import pytest

from kubernel_api.constants import ANNOTATION_JUPYTER
from kubernel_provisioner.launch.claiming import Left, read_left
from kubernel_provisioner.launch.kernel_resource import describe_for_jupyter

OWNER = "alice/default"
SESSION = {"id": "s", "path": "a.ipynb", "name": "a.ipynb", "type": "notebook"}


def instance(**changes: Any) -> dict[str, Any]:
    told = describe_for_jupyter("My Kernel", "science", SESSION)
    return {
        "metadata": {"name": "k-1", "annotations": {ANNOTATION_JUPYTER: told}},
        "spec": {"owner": OWNER},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        **changes,
    }


def test_one_that_is_ready() -> None:
    found = instance()
    assert (left := read_left(found, OWNER)) == Left(found, "My Kernel", "science", SESSION)
    assert left.is_ready


@pytest.mark.parametrize("status", [{"conditions": []}, {}], ids=["starts", "new"])
def test_one_that_starts(status: dict[str, Any]) -> None:
    found = read_left(instance(status=status), OWNER)
    assert found is not None
    assert not found.is_ready


def test_without_a_notebook() -> None:
    told = describe_for_jupyter("1", "science", None)
    found = instance(metadata={"name": "k-1", "annotations": {ANNOTATION_JUPYTER: told}})
    assert read_left(found, OWNER) == Left(found, "1", "science", None)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(instance(spec={"owner": "bob/default"}), id="another owner with the same label"),
        pytest.param(
            instance(metadata={**instance()["metadata"], "deletionTimestamp": "2026-11-29T12:00:00Z"}), id="going"
        ),
        pytest.param(
            instance(
                status={"conditions": [{"type": "Ready", "status": "True"}, {"type": "Finished", "status": "True"}]}
            ),
            id="over",
        ),
        pytest.param(instance(metadata={"name": "k-1"}), id="made by hand"),
        pytest.param(instance(metadata={"annotations": {ANNOTATION_JUPYTER: "{"}}), id="no JSON"),
        pytest.param(instance(metadata={"annotations": {ANNOTATION_JUPYTER: json.dumps([])}}), id="other JSON"),
        pytest.param(
            instance(metadata={"annotations": {ANNOTATION_JUPYTER: json.dumps({"session": {}})}}), id="half of it"
        ),
    ],
)
def test_one_that_is_left_alone(found: dict[str, Any]) -> None:
    assert read_left(found, OWNER) is None
