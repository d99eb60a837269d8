"""Removes what containers leave on a machine when their cluster ends, however it ended."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from cluster.commands import run
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.native import network
from cluster.native.configuration import CNI_NETWORK
from cluster.processes import Process, descendants, kill, list_processes

CGROUPS = Path("/sys/fs/cgroup")
CNI_CACHE = Path("/var/lib/cni/results")  # compiled into the CNI library
# What a cluster wrote and the next one must not find. Certificates, images and logs stay.
VOLATILE = ("etcd", "kubelet", "addresses", "containerd/state", "containerd/runc")
# The kernel empties a cgroup a moment after its last process died.
CGROUP_SECONDS = 1.0


def remove(layout: Layout) -> None:
    """Ends all containers and removes their mounts, links, cgroups and files.

    Args:
        layout: of a cluster whose components have all ended.
    """
    kill(container_processes(layout, list_processes()))
    _remove_shim_sockets(layout)
    unmount_below(layout.state)
    network.remove()
    remove_cgroups("kubepods")
    _remove_cni_cache(CNI_CACHE)
    for name in VOLATILE:
        shutil.rmtree(layout.state / name, ignore_errors=True)


def container_processes(layout: Layout, processes: list[Process]) -> list[Process]:
    """Returns the shims of our containerd and everything that runs under them.

    The whole family at once: a shim alone would hand its containers to init, where nobody would know them.
    """
    socket = str(layout.containerd_socket)
    shims = [one for one in processes if Path(one.argv[0]).name.startswith("containerd-shim") and socket in one.argv]
    return descendants(shims, processes)


def mounts_below(folder: Path, mountinfo: str) -> list[Path]:
    """Returns the mount points below a folder, the innermost first.

    Args:
        folder: the folder itself does not count.
        mountinfo: the text of /proc/self/mountinfo, where a blank is written as an octal number.
    """
    points = (line.split()[4].encode().decode("unicode_escape") for line in mountinfo.splitlines())
    below = {Path(point) for point in points if folder in Path(point).parents}
    return sorted(below, reverse=True)


def unmount_below(folder: Path) -> None:
    """Unmounts everything below the folder.

    Raises:
        ClusterError: something stays mounted, and deleting the folder would delete through the mount.
    """
    for point in read_mounts_below(folder):
        run(["umount", "--lazy", point])
    if left := read_mounts_below(folder):
        raise ClusterError(f"{left[0]} stays mounted; unmount it by hand and try again")


def read_mounts_below(folder: Path) -> list[Path]:
    """Returns the mount points below a folder on this machine."""
    return mounts_below(folder, Path("/proc/self/mountinfo").read_text())


def _remove_shim_sockets(layout: Layout) -> None:
    """A killed shim cannot remove its socket; it wrote the address beside its container."""
    for file in (layout.state / "containerd" / "state").glob("io.containerd.runtime.v2.task/*/*/address"):
        Path(file.read_text().strip().removeprefix("unix://")).unlink(missing_ok=True)


def _remove_cni_cache(folder: Path) -> None:
    """Removes what the CNI library remembers: files named network-sandbox-interface, two of them a sandbox."""
    for file in folder.glob(f"{CNI_NETWORK}-*-eth0"):
        sandbox = file.name.split("-")[1]
        file.unlink(missing_ok=True)
        (folder / f"cni-loopback-{sandbox}-lo").unlink(missing_ok=True)


def remove_cgroups(name: str) -> None:
    """Removes the cgroups of that name at the top of all hierarchies, with those inside, unless somebody is in them."""
    deadline = time.monotonic() + CGROUP_SECONDS
    while (left := _cgroups(name)) and time.monotonic() < deadline:
        _remove_folders(left)
        time.sleep(0.02)


def _cgroups(name: str) -> list[Path]:
    """Returns the cgroups of all hierarchies, the innermost first (cgroup v2 has one, at the top)."""
    tops = [*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}")]
    return sorted({folder for top in tops for folder in (top, *_folders_below(top))}, reverse=True)


def _folders_below(top: Path) -> Iterable[Path]:
    return (entry for entry in top.rglob("*") if entry.is_dir() and not entry.is_symlink())


def _remove_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # still has a process: ours for a moment, or another kubelet's for good
            continue
