"""NOTES.txt: what people read after helm install, as a whole."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from fixtures.cluster import REPO

from .conftest import CHART, Helm

GOLDEN = Path(__file__).parent / "notes"


@pytest.mark.parametrize("name", ["default", "namespaced", "everything"])
def test_golden(helm: Helm, name: str) -> None:
    assert notes(helm, name) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", ["default", "namespaced", "everything"])
def test_the_kernel_to_copy_is_valid(helm: Helm, name: str) -> None:
    crd = yaml.safe_load((REPO / "crds" / "kernelinstances.kubernel.dev.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    text = re.search(r"<<YAML\n(.*?)\n *YAML\n", notes(helm, name), re.DOTALL)
    assert text is not None
    jsonschema.validate(yaml.safe_load(text[1]), schema)


def test_each_crd_that_is_kept_is_named(helm: Helm) -> None:
    kept = sorted(path.stem for path in (REPO / "crds").glob("*.yaml"))
    assert f"kubectl delete crd {' '.join(kept)} " in notes(helm, "default")


def test_who_binds_the_role_is_told_where_it_is(helm: Helm) -> None:
    """JupyterHub's recipe names subjects and no namespace: the hub binds the ClusterRole."""
    text = notes(helm, REPO / "docs" / "examples" / "jupyterhub" / "kubernel-values.yaml")
    assert "may start kernels wherever it has the ClusterRole kubernel-system-client" in text
    assert "may start kernels in: \n" not in text


def notes(helm: Helm, name: str | Path) -> str:
    values = f"--values={name if isinstance(name, Path) else CHART / 'ci' / f'{name}-values.yaml'}"
    options = ["--namespace=system", "--dry-run=client", "--output=json", values]
    done = helm("install", "kubernel", str(CHART), *options)
    assert done.returncode == 0, done.stderr
    text: str = json.loads(done.stdout)["info"]["notes"]
    return text
