"""Builds images from Dockerfiles without a Docker engine, with buildah and a store of our own."""

import functools
from collections.abc import Mapping
from pathlib import Path

from cluster.commands import run, succeeds
from cluster.layout import Layout


def store_folder(layout: Layout) -> Path:
    """Returns where buildah keeps layers; it mounts things there while it works."""
    return layout.cache / "images"


def build(
    layout: Layout,
    dockerfile: Path,
    image: str,
    *,
    arguments: Mapping[str, str],
    volumes: Mapping[Path, str],
) -> None:
    """Builds a Dockerfile with the checkout as its context.

    Args:
        layout: where things are.
        dockerfile: the file.
        image: name and tag of the result.
        arguments: values of the Dockerfile's ARGs.
        volumes: folders that its RUN steps see, read-only.
    """
    _buildah(
        layout,
        "build",
        # chroot: the other ways need what a machine that is itself a container cannot give.
        "--isolation=chroot",
        "--layers",
        "--pull-never",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *(f"--volume={folder}:{target}:ro" for folder, target in volumes.items()),
        f"--file={dockerfile}",
        f"--tag={image}",
        layout.repo,
    )


def exists(layout: Layout, image: str) -> bool:
    """Returns whether the store has an image of this name."""
    return succeeds([*_command(layout), "inspect", "--type=image", image])


def pull_archive(layout: Layout, file: Path) -> None:
    """Takes a docker-archive into the store, under the name it carries."""
    _buildah(layout, "pull", "--quiet", f"docker-archive:{file}")


def export(layout: Layout, image: str, folder: Path) -> None:
    """Writes an image of the store as an OCI layout: one file per layer, named by its digest."""
    _buildah(layout, "push", "--quiet", image, f"oci:{folder}:{image}")


def export_archive(layout: Layout, image: str, file: Path) -> None:
    """Writes an image of the store as a docker-archive, under the name it has."""
    _buildah(layout, "push", "--quiet", image, f"docker-archive:{file}:{image}")


def _buildah(layout: Layout, *arguments: str | Path) -> None:
    run(["nice", *_command(layout), *arguments])


def _command(layout: Layout) -> list[str | Path]:
    driver = storage_driver(layout)
    runtime = layout.state / "buildah"
    return ["buildah", "--root", store_folder(layout), "--runroot", runtime, "--storage-driver", driver]


@functools.cache
def storage_driver(layout: Layout) -> str:
    """Returns overlay, or vfs (ten times slower) where overlay cannot be mounted, as inside many containers."""
    probe: list[str | Path] = ["buildah", "--root", store_folder(layout), "--runroot", layout.state / "buildah"]
    return "overlay" if succeeds([*probe, "--storage-driver", "overlay", "info"]) else "vfs"
