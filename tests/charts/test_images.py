"""Where images come from."""

from collections.abc import Callable

import pytest

from .conftest import CHART, Object

AIR_GAP = CHART / "ci" / "air-gap-values.yaml"
DIGEST = "sha256:" + "0123456789abcdef" * 4
Find = Callable[..., Object]

REFERENCES = {
    "default: the chart's appVersion": ([], "ghcr.io/kubernel/operator:0.1.0"),
    "tag": (["--set=image.tag=1.2"], "ghcr.io/kubernel/operator:1.2"),
    "digest wins": (["--set=image.tag=1.2", f"--set=image.digest={DIGEST}"], f"ghcr.io/kubernel/operator@{DIGEST}"),
    "registry": (["--set=image.registry=registry.example.org"], "registry.example.org/kubernel/operator:0.1.0"),
    "no registry": (["--set=image.registry="], "kubernel/operator:0.1.0"),
    "registry for all": (
        ["--set=global.imageRegistry=registry.example.org"],
        "registry.example.org/kubernel/operator:0.1.0",
    ),
}


@pytest.mark.parametrize(("options", "reference"), REFERENCES.values(), ids=REFERENCES)
def test_operator(find: Find, options: list[str], reference: str) -> None:
    pods = [
        find("Deployment", "kubernel", None, *options)["spec"]["template"],
        find("Pod", "kubernel-test", None, *options),
    ]
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == [reference] * 2


def test_pull_secrets(find: Find) -> None:
    pods = [find("Deployment", "kubernel", AIR_GAP)["spec"]["template"], find("Pod", "kubernel-test", AIR_GAP)]
    expected = [{"name": "registry"}, {"name": "operator-registry"}]
    assert [pod["spec"]["imagePullSecrets"] for pod in pods] == [expected] * 2
