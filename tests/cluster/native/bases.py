"""Base images made on the spot from Debian packages, for machines that reach no image registry."""

import hashlib
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from cluster import archive
from cluster.commands import run
from cluster.images import PREFIX
from cluster.layout import Layout
from cluster.native import buildah
from cluster.progress import step

PACKAGES = "ca-certificates"
# Documentation and translations are half of a small Debian; apt's lists are out of date tomorrow.
UNWANTED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
# As in official Debian images: without it every RUN apt-get leaves 85 MB of caches in its layer.
APT_CONFIGURATION = """\
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
"""


def suite() -> str:
    """Returns the suite of this machine: its Python is then also the images', and downloaded wheels fit both."""
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def recipe(layout: Layout, kind: Literal["python", "debian"]) -> str:
    """Returns a digest of what the base image is made from."""
    recipes = {
        "debian": f"{suite()} {PACKAGES} {UNWANTED} {APT_CONFIGURATION}",
        "python": _dockerfile(layout).read_text(),
    }
    text = recipes["debian"] if kind == "debian" else recipes["debian"] + recipes["python"]
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def ensure(layout: Layout, kind: Literal["python", "debian"]) -> str:
    """Returns the name of the base image, after making it when the store does not have it."""
    name = f"{PREFIX}/base-{kind}:{recipe(layout, kind)}"
    if buildah.exists(layout, name):
        return name
    if kind == "debian":
        with step(f"base image: Debian {suite()}"):
            _bootstrap(layout, name)
    else:
        debian = ensure(layout, "debian")
        with step("base image: Python"):
            buildah.build(layout, _dockerfile(layout), name, arguments={"BASE_IMAGE": debian}, volumes={})
    return name


def _bootstrap(layout: Layout, name: str) -> None:
    layout.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.cache, prefix="base-") as scratch:
        root = Path(scratch) / "root"
        run(["nice", "debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite(), root])
        for folder in UNWANTED:
            shutil.rmtree(root / folder, ignore_errors=True)
        (root / "etc/apt/apt.conf.d/kubernel").write_text(APT_CONFIGURATION)
        file = Path(scratch) / "base.tar"
        archive.pack(root, name, file)
        buildah.pull_archive(layout, file)


def _dockerfile(layout: Layout) -> Path:
    return layout.repo / "tests" / "cluster" / "native" / "python.Dockerfile"
