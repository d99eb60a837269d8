"""The models: the examples are valid, defaults are filled in, unknown fields are not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from kubernel_api.kernel_instance import KernelInstance
from kubernel_api.status import UNOBSERVED_STATUS

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
BAD_OBJECTS = sorted((ROOT / "tests" / "bad-objects").glob("*.yaml"))


def kernel_instances(path: Path) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(path.read_text()) if found["kind"] == "KernelInstance"]


def minimal(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kubernel.dev/v1beta1",
        "kind": "KernelInstance",
        "metadata": {"name": "demo"},
        "spec": spec,
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_valid_and_bears_the_name_of_its_file(path: Path) -> None:
    (example,) = kernel_instances(path)
    model = KernelInstance.model_validate(example)
    assert model.metadata["name"] == path.stem
    assert model.spec.model_dump(by_alias=True, exclude_unset=True) == example.get("spec", {"restartGeneration": 0})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_says_what_it_is_for(path: Path) -> None:
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", BAD_OBJECTS, ids=lambda path: path.stem)
def test_bad_object_bears_the_name_of_its_file(path: Path) -> None:
    """So that all of them can be tried in one namespace. The names that are bad themselves are the exception."""
    names = {found["metadata"]["name"] for found in kernel_instances(path)}
    assert names == {path.stem} or path.stem.startswith("name-")


def test_defaults() -> None:
    bare = {k: v for k, v in minimal().items() if k != "spec"}
    model = KernelInstance.model_validate(bare)
    assert model.spec.model_dump(by_alias=True, exclude_none=True) == {
        "connection": {"service": "ClusterIP", "encryption": "Disabled", "keyFrom": "Operator"},
        "suspend": False,
        "lifecycle": {"startDeadlineSeconds": 300, "ttlSecondsAfterFinished": 300},
        "restartGeneration": 0,
    }
    assert model.status.model_dump(by_alias=True, exclude_none=True) == UNOBSERVED_STATUS


def test_one_objects_status_is_not_anothers() -> None:
    one, two = KernelInstance.model_validate(minimal()), KernelInstance.model_validate(minimal())
    one.status.conditions.clear()
    assert len(two.status.conditions) == 2


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        pytest.param({"imagePulPolicy": "Always"}, ("spec", "imagePulPolicy"), id="misspelt field"),
        pytest.param({"imagePullPolicy": "Sometimes"}, ("spec", "imagePullPolicy"), id="unknown word"),
        pytest.param({"env": [{"name": "A=B"}]}, ("spec", "env", 0, "name"), id="name of a variable"),
        pytest.param({"kernel": {"argv": []}}, ("spec", "kernel", "argv"), id="no argv"),
        pytest.param({"restartGeneration": -1}, ("spec", "restartGeneration"), id="negative"),
    ],
)
def test_mistakes_are_found_where_they_are(spec: dict[str, Any], where: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        KernelInstance.model_validate(minimal(**spec))
    assert [error["loc"] for error in caught.value.errors()] == [where]
