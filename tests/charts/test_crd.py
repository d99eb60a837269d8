"""The chart's copies of the CRDs are those that kubectl applies, whatever Helm's template engine does with braces."""

from collections.abc import Callable
from typing import Any

import pytest

from kubernel_api.crd import DEFINITIONS, Definition, custom_resource_definition


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.kind)
@pytest.mark.parametrize(
    ("options", "annotations"),
    [
        pytest.param((), {"helm.sh/resource-policy": "keep"}, id="kept by default"),
        pytest.param(("--set=crds.keep=false",), None, id="not kept"),
    ],
)
def test_the_chart_installs_the_generated_crd(
    find: Callable[..., dict[str, Any]],
    options: tuple[str, ...],
    annotations: dict[str, str] | None,
    definition: Definition,
) -> None:
    found = find("CustomResourceDefinition", f"{definition.plural}.kubernel.dev", None, *options)
    assert found["metadata"].pop("annotations", None) == annotations
    assert found == custom_resource_definition(definition)


def test_the_chart_can_leave_the_crd_alone(render: Callable[..., list[dict[str, Any]]]) -> None:
    kinds = {found["kind"] for found in render(None, "--set=crds.install=false")}
    assert "Deployment" in kinds
    assert "CustomResourceDefinition" not in kinds
