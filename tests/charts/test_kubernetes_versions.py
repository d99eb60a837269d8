"""Every rendered object is valid for the oldest and the newest Kubernetes that the chart supports."""

import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from .conftest import CHART, Object, Render

sys.path.append(str(CHART.parents[1] / ".venv" / "charts"))  # requirements/make-venv
import kubernetes_validate

# Kinds that are not Kubernetes' own; their schemas are in their CRDs.
FOREIGN = {"monitoring.coreos.com/v1", "kubernel.dev/v1beta1"}
OLDEST = "1.32"
NEWEST = kubernetes_validate.latest_version()


def test_oldest_is_what_the_chart_says() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_objects_are_valid(render: Render, values_file: Path, version: str) -> None:
    checked = [validated(obj, version) for obj in render(values_file) if obj["apiVersion"] not in FOREIGN]
    assert "Deployment" in checked


def validated(obj: Object, version: str) -> str:
    """The object's kind, when the strict schema accepts it."""
    try:
        kubernetes_validate.validate(obj, version, strict=True)
    except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
        raise AssertionError(f"{obj['kind']} {obj['metadata']['name']}: {error}") from error
    kind: str = obj["kind"]
    return kind
