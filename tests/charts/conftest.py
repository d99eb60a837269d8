"""helm, and what it renders. No cluster is asked."""

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.cluster import REPO, program

CHART = REPO / "helm" / "kubernel"
VALUES_FILES = sorted((CHART / "ci").glob("*-values.yaml"))
PROMETHEUS_OPERATOR = "--api-versions=monitoring.coreos.com/v1"
OWN_CRDS = [f"--api-versions=kubernel.dev/v1beta1/{kind}" for kind in ("KernelTemplate", "KernelPool")]

Object = dict[str, Any]
Helm = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., list[Object]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument ``values_file`` runs once for each file in the chart's ci folder."""
    if "values_file" in metafunc.fixturenames:
        ids = [path.name.removesuffix("-values.yaml") for path in VALUES_FILES]
        metafunc.parametrize("values_file", VALUES_FILES, ids=ids)


@functools.cache
def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("helm"), *arguments], capture_output=True, text=True, check=False)


@functools.cache
def rendered(*arguments: str) -> str:
    done = run_helm("template", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def helm() -> Helm:
    """Runs helm with arguments, to its end."""
    return run_helm


@pytest.fixture
def render() -> Render:
    """The objects that a release consists of: ``render(values_file=None, *options, release=, namespace=)``.

    The tests' hook objects are among them. The cluster is one that has the Prometheus operator and our CRDs.
    """

    def render_(
        values_file: Path | None = None, *options: str, release: str = "kubernel", namespace: str = "system"
    ) -> list[Object]:
        files = [f"--values={values_file}"] if values_file else []
        text = rendered(
            release, str(CHART), f"--namespace={namespace}", PROMETHEUS_OPERATOR, *OWN_CRDS, *files, *options
        )
        return [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]  # ten times as fast as safe_load

    return render_


@pytest.fixture
def find(render: Render) -> Callable[..., Object]:
    """The one object of a kind and name: ``find(kind, name, values_file=None, *options)``."""

    def find_(kind: str, name: str, *arguments: Any) -> Object:
        (found,) = (o for o in render(*arguments) if (o["kind"], o["metadata"]["name"]) == (kind, name))
        return found

    return find_
