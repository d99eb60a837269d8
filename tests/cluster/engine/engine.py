"""A Docker engine for machines that have none and may reach no image registry: Debian's, in namespaces of its own.

The namespaces keep its bridge, its firewall rules and its mounts from everything else on the machine, a native cluster
included. The outside is reached through slirp4netns, which needs no rule or route of the machine. What must reach the
cluster's addresses therefore runs in the same namespaces: `python3 tests/cluster engine COMMAND`.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.commands import SYSTEM_PATH, become, succeeds, tail
from cluster.engine import node_image, packages
from cluster.engine.docker import Docker
from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.locking import locked
from cluster.native import debian, leftovers
from cluster.processes import Component, Process, find, kill, list_processes, start
from cluster.progress import say, step
from cluster.versions import IMAGE_PACKAGES, NODE_PACKAGES
from cluster.waiting import wait_until

HERE = Path(__file__).parent
# Kinds of namespaces, as unshare and nsenter call them.
NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")


def run_inside(layout: Layout, command: Sequence[str]) -> None:
    """Becomes a command that a Docker engine answers: the machine's own, or else one that is made here.

    Raises:
        ClusterError: there is none, and none can be made here.
    """
    choice = {"KUBERNEL_CLUSTER": "kind"}
    if succeeds(["docker", "info"]):
        say("The Docker engine of this machine is used.")
        become(command, choice)
    require_linux_root()
    docker = Docker.of(layout)
    with locked(layout.engine):
        _ensure(layout, docker)
        image = node_image.ensure(layout, docker)
    inside = ["nsenter", f"--target={_process_1(layout).pid}", *NAMESPACES, f"--wd={Path.cwd()}", "--"]
    become([*inside, *command], {**choice, **docker.environment, "KUBERNEL_KIND_NODE_IMAGE": image})


def down(layout: Layout) -> None:
    """Ends the engine with every container in it. What it has built and loaded stays for the next one."""
    require_linux_root()
    with locked(layout.engine), step("ending the Docker engine"):
        _end(layout)


def require_linux_root() -> None:
    """Raises ClusterError when no engine can be made here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError("No Docker engine answers, and one is made only on Debian as root. Start Docker.")


def holder(layout: Layout, docker: Docker) -> Component:
    """Returns the process that has the namespaces, and the engine in them; they end together."""
    argv = (
        "/usr/bin/unshare",
        *NAMESPACES,
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation=private",
        "/bin/sh",
        str(HERE / "init.sh"),
        f"{layout.engine}/this-run",
        str(docker.data),
    )
    # First the runc of ours: dockerd takes the first on its PATH.
    path = f"{layout.engine}/bin:{packages.programs(layout)}:{SYSTEM_PATH}"
    return Component("dockerd", argv, environment=(("PATH", path),))


def uplink(layout: Layout, process_1: int) -> Component:
    """Returns the process that connects the namespaces with the outside."""
    argv = (
        f"{packages.folder(layout)}/usr/bin/slirp4netns",
        "--configure",
        "--mtu=1500",
        "--disable-host-loopback",
        f"--api-socket={layout.engine}/this-run/slirp.sock",
        str(process_1),
        "tap0",
    )
    return Component("slirp4netns", argv, environment=(("LD_LIBRARY_PATH", packages.libraries(layout)),))


def _ensure(layout: Layout, docker: Docker) -> None:
    """Starts the engine unless it answers."""
    if docker.answers():
        return
    debian.install((*NODE_PACKAGES, *IMAGE_PACKAGES))
    packages.ensure(layout)
    _end(layout)
    with step("Docker engine"):
        _prepare(layout, docker)
        log = layout.engine / "dockerd.log"
        log.unlink(missing_ok=True)
        start(holder(layout, docker), log)
        wait_until("the engine's namespaces", lambda: _find_process_1(layout) is not None)
        start(uplink(layout, _process_1(layout).pid), layout.engine / "slirp4netns.log")
        wait_until("the Docker engine", docker.answers, lambda: _require_alive(layout, log))


def _prepare(layout: Layout, docker: Docker) -> None:
    for folder in ("this-run/etc", "this-run/etc-work", "bin"):
        (layout.engine / folder).mkdir(parents=True, exist_ok=True)
    docker.data.mkdir(parents=True, exist_ok=True)
    runc = layout.engine / "bin" / "runc"
    shutil.copy(HERE / "runc.py", runc)
    runc.chmod(0o755)


def _end(layout: Layout) -> None:
    processes = list_processes()
    if found := find(holder(layout, Docker.of(layout)), layout.state, processes):
        kill([found])  # it takes no other signal
    if found := find(uplink(layout, 0), layout.state, processes):
        kill([found])
    leftovers.remove_cgroups("docker")
    shutil.rmtree(layout.engine / "this-run", ignore_errors=True)


def _require_alive(layout: Layout, log: Path) -> None:
    if _find_process_1(layout) is None:
        raise ClusterError(f"The Docker engine ended. The end of {log}:\n{tail(log.read_text(errors='replace'))}")


def _process_1(layout: Layout) -> Process:
    found = _find_process_1(layout)
    if found is None:
        raise ClusterError("The Docker engine does not run; start it with `python3 tests/cluster engine`.")
    return found


def _find_process_1(layout: Layout) -> Process | None:
    """Returns the first process in the namespaces, which is the only child of the one that made them."""
    processes = list_processes()
    parent = find(holder(layout, Docker.of(layout)), layout.state, processes)
    return next((process for process in processes if parent and process.parent == parent.pid), None)
