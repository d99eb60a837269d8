"""Installs the Debian packages that are missing."""

import shutil
from collections.abc import Iterable, Sequence

from cluster.commands import run
from cluster.errors import ClusterError


def missing(wanted: Iterable[str], installed: Iterable[str]) -> tuple[str, ...]:
    """Returns the packages that are not installed, in the order wanted."""
    have = set(installed)
    return tuple(name for name in wanted if name not in have)


def installed_packages() -> set[str]:
    """Returns the names of all packages that dpkg has fully installed."""
    listing = run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n"])
    words = (line.split() for line in listing.splitlines())
    return {word[0] for word in words if word[1:] == ["installed"]}


def install(wanted: Sequence[str]) -> None:
    """Installs what is missing; asks the package index only then.

    Raises:
        ClusterError: this is no Debian, or apt failed.
    """
    if shutil.which("dpkg-query") is None:
        raise ClusterError(f"This machine has no dpkg; install by hand: {' '.join(wanted)}")
    absent = missing(wanted, installed_packages())
    if not absent:
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "--quiet"], env=quiet)
    run(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *absent], env=quiet)
