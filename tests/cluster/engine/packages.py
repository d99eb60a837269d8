"""Debian's packages, unpacked into a folder and not installed: nothing starts by itself or meets other software."""

import platform
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cluster.commands import run, succeeds
from cluster.layout import Layout
from cluster.progress import step

PACKAGES = ("docker.io", "slirp4netns", "libslirp0", "tini")


def folder(layout: Layout) -> Path:
    """Returns where the packages are unpacked, by the suite that they are from."""
    return layout.cache / "engine" / f"packages-{platform.freedesktop_os_release()['VERSION_CODENAME']}"


def programs(layout: Layout) -> str:
    """Returns the folders of the programs, as in a PATH."""
    return f"{folder(layout)}/usr/bin:{folder(layout)}/usr/sbin"


def libraries(layout: Layout) -> str:
    """Returns the folder of the libraries, as in an LD_LIBRARY_PATH."""
    return ":".join(str(path) for path in sorted((folder(layout) / "usr" / "lib").glob("*-linux-gnu")))


def ensure(layout: Layout) -> None:
    """Downloads and unpacks Docker, once."""
    unpack("Docker", PACKAGES, folder(layout))


def unpack(what: str, packages: Sequence[str], place: Path) -> None:
    """Downloads and unpacks packages into a folder, once."""
    if place.exists():
        return
    with step(f"{what}, unpacked"):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".packages-") as scratch:
            if not succeeds(["apt-cache", "show", *packages]):
                run(["apt-get", "update", "--quiet"])
            run(["apt-get", "download", *packages], cwd=Path(scratch))
            root = Path(scratch) / "root"
            for package in Path(scratch).glob("*.deb"):
                run(["dpkg-deb", "--extract", package, root])
            shutil.move(root, place)
