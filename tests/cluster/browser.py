"""The browser of tests/browser: Debian's chromium, or whatever of its kind is on the PATH."""

import os
import shutil

from cluster.commands import SYSTEM_PATH
from cluster.native import debian

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no chromium on this machine: the tests in a browser are skipped (Debian: apt-get install chromium)"


def find() -> str | None:
    """Returns its path."""
    path = os.pathsep.join((os.environ.get("PATH", ""), SYSTEM_PATH))
    return next((found for name in PROGRAMS if (found := shutil.which(name, path=path))), None)


def ensure() -> None:
    """Installs it where that is ours to do: as root, on Debian. Elsewhere the tests are skipped, and say so."""
    if find() is None and os.geteuid() == 0 and shutil.which("dpkg-query") is not None:
        debian.install(["chromium", "fonts-dejavu-core"])
