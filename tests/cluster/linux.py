"""A Linux with cgroup v2 for machines that have version 1: User-Mode Linux, which is a program like any other.

It sees this machine's files, which it cannot change, and has a /tmp, processes and cgroups of its own.
"""

import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.commands import SYSTEM_PATH, become
from cluster.engine import packages
from cluster.errors import ClusterError
from cluster.layout import Layout

CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
MEMORY = "1536M"


def run_inside(layout: Layout, command: Sequence[str]) -> None:
    """Becomes a command on a Linux whose cgroups of version 2 have memory: this one, or else one that is made here.

    Raises:
        ClusterError: none can be made here.
    """
    if CONTROLLERS.exists() and "memory" in CONTROLLERS.read_text().split():
        become(command, {})
    if sys.platform != "linux" or platform.machine() != "x86_64" or os.geteuid() != 0:
        raise ClusterError("This machine has no cgroup v2 with memory, and one is made only on Debian (amd64) as root.")
    folder = layout.cache / "linux" / platform.freedesktop_os_release()["VERSION_CODENAME"]
    packages.unpack("User-Mode Linux", ["user-mode-linux"], folder)
    scratch = Path(tempfile.mkdtemp(dir=layout.cache / "linux", prefix=".run-"))
    init = scratch / "init"
    init.write_text(script(command, Path.cwd(), os.environ))
    init.chmod(0o755)
    root = ("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", f"mem={MEMORY}")
    console = ("con=null", "con0=null,fd:1", "quiet", f"uml_dir={scratch}")
    shell = f"{shlex.join([f'{folder}/usr/bin/linux.uml', *root, *console])}; code=$?; rm -r {scratch}; exit $code"
    become(["/bin/sh", "-c", shell], {})


def script(command: Sequence[str], where: Path, environ: Mapping[str, str]) -> str:
    """Returns what its first process runs: the command, whose exit code is that of the whole."""
    path = f"{environ.get('PATH', '')}:{SYSTEM_PATH}"
    return f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo "+memory" > /sys/fs/cgroup/cgroup.subtree_control
ip link set lo up
cd {shlex.quote(str(where))}
env -i PATH={shlex.quote(path)} HOME=/tmp LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 {shlex.join(command)} </dev/null
echo $? > /proc/exitcode
echo o > /proc/sysrq-trigger
exec sleep 60
"""
