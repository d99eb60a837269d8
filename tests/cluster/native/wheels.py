"""A folder of wheels for image builds that cannot reach a package index from inside."""

import hashlib
from pathlib import Path

from cluster.commands import run
from cluster.images import Image, requirements
from cluster.layout import Layout
from cluster.progress import step

# Debian's own, whatever Python runs this: the wheels must fit the Python of the base image, which is of the same suite.
PYTHON = "/usr/bin/python3"


def folder(layout: Layout) -> Path:
    """Returns where the wheels are."""
    return layout.cache / "wheels"


def ensure(layout: Layout, image: Image) -> None:
    """Downloads every wheel the image's build installs, unless a stamp says that they are here."""
    stamp = folder(layout) / ".stamps" / stamp_name(layout.repo, image)
    if stamp.exists():
        return
    with step(f"wheels for {image.name}"):
        _download(layout, image)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()


def stamp_name(repo: Path, image: Image) -> str:
    """Returns a digest of what the image's build installs."""
    digest = hashlib.sha256()
    for path in requirements(image):
        digest.update((repo / path).read_bytes())
    return digest.hexdigest()[:32]


def _download(layout: Layout, image: Image) -> None:
    for path in requirements(image):
        _pip_download(layout, "--requirement", layout.repo / path)


def _pip_download(layout: Layout, *arguments: str | Path) -> None:
    options = ("--quiet", "--only-binary", ":all:", "--dest", folder(layout))
    run(["nice", _pip(layout), "download", *options, *arguments])


def _pip(layout: Layout) -> Path:
    """Returns pip in an environment of its own: neither Debian nor every virtual environment has one."""
    environment = layout.cache / "pip"
    pip = environment / "bin" / "pip"
    if not pip.exists():
        run([PYTHON, "-m", "venv", "--clear", environment])
    return pip
