"""The chart's copy of the CRD is the one that kubectl applies, whatever Helm's template engine does with its braces."""

from collections.abc import Callable
from typing import Any

import pytest

from kubernel_api.crd import custom_resource_definition

NAME = "kernelinstances.kubernel.dev"


@pytest.mark.parametrize(
    ("options", "annotations"),
    [
        pytest.param((), {"helm.sh/resource-policy": "keep"}, id="kept by default"),
        pytest.param(("--set=crds.keep=false",), None, id="not kept"),
    ],
)
def test_the_chart_installs_the_generated_crd(
    find: Callable[..., dict[str, Any]], options: tuple[str, ...], annotations: dict[str, str] | None
) -> None:
    found = find("CustomResourceDefinition", NAME, None, *options)
    assert found["metadata"].pop("annotations", None) == annotations
    assert found == custom_resource_definition()


def test_the_chart_can_leave_the_crd_alone(render: Callable[..., list[dict[str, Any]]]) -> None:
    kinds = {found["kind"] for found in render(None, "--set=crds.install=false")}
    assert "Deployment" in kinds
    assert "CustomResourceDefinition" not in kinds
