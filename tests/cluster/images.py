"""The project's images: what they are called, what they are made from, and when they are out of date."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cluster.errors import ClusterError

PREFIX = "localhost/kubernel"
TAG = "dev"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "crds", "common", "operator", "provisioner")


@dataclass(frozen=True)
class Image:
    """One image.

    Args:
        name: its short name.
        dockerfile: path from the top of the checkout, which is also the build's context.
        base: what its BASE_IMAGE has to have.
        inputs: files and folders that it copies, from the top of the checkout.
        requirements: the requirement file that is installed in it.
        build_requirements: file of what pip installs while it is built, with hashes.
    """

    name: str
    dockerfile: str
    base: Literal["python", "debian"] = "python"
    inputs: tuple[str, ...] = ()
    requirements: str | None = None
    build_requirements: str | None = None

    @property
    def reference(self) -> str:
        """The name that a pod gives."""
        return f"{PREFIX}/{self.name}:{TAG}"


BUILD_REQUIREMENTS = "requirements/build.txt"
IMAGES = (
    Image(
        "kernel-python",
        "images/kernel-python/Dockerfile",
        requirements="requirements/kernel-python.txt",
    ),
    Image(
        "operator",
        "operator/Dockerfile",
        inputs=SOURCES,
        requirements="requirements/operator.txt",
        build_requirements=BUILD_REQUIREMENTS,
    ),
    Image(
        "notebook-server",
        "images/notebook-server/Dockerfile",
        inputs=SOURCES,
        requirements="requirements/notebook-server.txt",
        build_requirements=BUILD_REQUIREMENTS,
    ),
    Image(
        "kernel-stacks",
        "images/kernel-stacks/Dockerfile",
        inputs=("images/kernel-stacks",),
        requirements="requirements/kernel-python.txt",
    ),
    Image("kernel-r", "images/kernel-r/Dockerfile", base="debian", inputs=("images/kernel-r",)),
)


def select(names: Iterable[str]) -> tuple[Image, ...]:
    """Returns the images of these names; all without a name.

    Raises:
        ClusterError: a name is unknown.
    """
    known = {image.name: image for image in IMAGES}
    wanted = list(names) or list(known)
    if unknown := [name for name in wanted if name not in known]:
        raise ClusterError(f"There is no image {unknown[0]}; use some of: {', '.join(known)}")
    return tuple(known[name] for name in wanted)


def key(image: Image, contents: Mapping[str, bytes], base: str = "") -> str:
    """Returns a digest of everything the image is made from; two equal keys mean one image.

    Args:
        image: the image.
        contents: the bytes of each of its files.
        base: the key of its base image.
    """
    digest = hashlib.sha256(f"{image!r}\0{base}".encode())
    for path in sorted(contents):
        digest.update(f"\0{path}\0".encode() + hashlib.sha256(contents[path]).digest())
    return digest.hexdigest()[:32]


def base_image(dockerfile: str) -> str:
    """Returns the image that a Dockerfile is based on when nobody names another one."""
    (name,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    return str(name)


def read_contents(image: Image, repo: Path) -> dict[str, bytes]:
    """Reads everything the image is made from.

    Raises:
        ClusterError: a file is missing.
    """
    paths = [image.dockerfile, *image.inputs, *requirements(image)]
    if absent := [path for path in paths if not (repo / path).exists()]:
        raise ClusterError(f"Image {image.name}: {absent[0]} is missing from the checkout")
    files = (file for path in paths for file in _files(repo / path))
    return {str(file.relative_to(repo)): file.read_bytes() for file in files}


def requirements(image: Image) -> list[str]:
    """Returns the files that say what the image's build installs, with hashes."""
    return [path for path in (image.requirements, image.build_requirements) if path]


def _files(path: Path) -> Iterable[Path]:
    """Bytecode is no input: running the tests must not make an image out of date."""
    if path.is_file():
        return [path]
    return (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
