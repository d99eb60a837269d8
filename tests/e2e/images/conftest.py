"""The other images of this checkout, and images with nothing in them, loaded into the cluster."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.archive import architecture
from fixtures.cluster import cluster_command


@pytest.fixture(scope="session")
def r_image(load_image: Callable[[str], str]) -> str:
    """R and no Python."""
    return load_image("kernel-r")


@pytest.fixture(scope="session")
def stacks_image(load_image: Callable[[str], str]) -> str:
    """Laid out like the images of jupyter/docker-stacks."""
    return load_image("kernel-stacks")


@pytest.fixture(scope="session")
def empty_image(
    kubeconfig: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], str]:
    """``empty_image("root", "")`` loads an image without a single file, made for that user, and returns its name."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def load(name: str, user: str) -> str:
        reference = f"localhost/kubernel/empty-{name}:dev"
        archive = tmp_path_factory.mktemp("images") / f"{name}.tar"
        archive.write_bytes(docker_archive(reference, user))
        with capture.global_and_fixture_disabled():
            cluster_command("load", str(archive))
        return reference

    return load


def docker_archive(reference: str, user: str) -> bytes:
    """An image as ``docker save`` writes it, with one layer that is empty."""
    layer = tar_file({})
    config = {
        "architecture": architecture(platform.machine()),
        "os": "linux",
        "config": {"User": user},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    return tar_file(
        {"manifest.json": json.dumps(manifest).encode(), "config.json": json.dumps(config).encode(), "layer.tar": layer}
    )


def tar_file(files: dict[str, bytes]) -> bytes:
    """A tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
