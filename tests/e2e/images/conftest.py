"""The other images of this checkout, loaded into the cluster."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.cluster import cluster_command


@pytest.fixture(scope="session")
def load_image(kubeconfig: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """``load_image("kernel-r")`` builds and loads an image of ours and returns the name that a pod gives."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def load(name: str) -> str:
        with capture.global_and_fixture_disabled():
            cluster_command("images", name)
        return f"localhost/kubernel/{name}:dev"

    return load


@pytest.fixture(scope="session")
def r_image(load_image: Callable[[str], str]) -> str:
    """R and no Python."""
    return load_image("kernel-r")


@pytest.fixture(scope="session")
def stacks_image(load_image: Callable[[str], str]) -> str:
    """Laid out like the images of jupyter/docker-stacks."""
    return load_image("kernel-stacks")
