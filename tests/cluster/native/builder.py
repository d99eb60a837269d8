"""Builds the project's images for the native cluster and loads them into its containerd."""

import tempfile
from pathlib import Path

from cluster.images import Image, key, read_contents
from cluster.layout import Layout
from cluster.native import bases, buildah, debian, store, wheels
from cluster.progress import say, step
from cluster.versions import IMAGE_PACKAGES

WHEELS_INSIDE = "/wheels"


def ensure(layout: Layout, images: tuple[Image, ...]) -> None:
    """Builds and loads every image whose inputs differ from what is loaded."""
    debian.install(IMAGE_PACKAGES)
    for image in images:
        wanted = key(image, read_contents(image, layout.repo), bases.recipe(layout, image.base))
        if store.made_from(layout, image.reference) == wanted:
            say(f"  {image.reference} is up to date")
            continue
        _build(layout, image)
        with step(f"loading {image.reference}"):
            load(layout, image.reference)
            store.label(layout, image.reference, wanted)


def load(layout: Layout, image: str) -> None:
    """Loads a docker-archive (*.tar), or an image of our buildah store."""
    if image.endswith(".tar"):
        store.import_archive(layout, Path(image))
        return
    with tempfile.TemporaryDirectory(dir=layout.state) as scratch:
        folder = Path(scratch) / "layout"
        buildah.export(layout, image, folder)
        store.import_layout(layout, folder)


def _build(layout: Layout, image: Image) -> None:
    base = bases.ensure(layout, image.base)
    arguments = {"BASE_IMAGE": base}
    volumes = {}
    if image.requirements:
        wheels.ensure(layout, image)
        arguments |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS_INSIDE}
        volumes = {wheels.folder(layout): WHEELS_INSIDE}
    with step(f"building {image.reference}"):
        buildah.build(layout, layout.repo / image.dockerfile, image.reference, arguments=arguments, volumes=volumes)
