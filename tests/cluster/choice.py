"""Which kind of cluster to use: kind, native or the one of the current kubeconfig."""

import os
import sys
from enum import StrEnum

from cluster import tools
from cluster.commands import succeeds
from cluster.errors import ClusterError
from cluster.layout import Layout

VARIABLE = "KUBERNEL_CLUSTER"


class ClusterKind(StrEnum):
    """The values of KUBERNEL_CLUSTER."""

    KIND = "kind"
    NATIVE = "native"
    CURRENT = "current"


def choose(wanted: str, *, docker_answers: bool, has_kind: bool, linux_root: bool) -> ClusterKind:
    """Returns the kind of cluster to use.

    Args:
        wanted: the value of KUBERNEL_CLUSTER, empty when unset.
        docker_answers: whether `docker info` works.
        has_kind: whether kind is here, or Go to build it.
        linux_root: whether this is Linux and we are root.

    Raises:
        ClusterError: an unknown value, or nothing fits this machine.
    """
    if wanted:
        return _named(wanted)
    if docker_answers and has_kind:
        return ClusterKind.KIND
    if linux_root:
        return ClusterKind.NATIVE
    lacks = "there is neither kind nor Go to build it" if docker_answers else "no Docker engine answers"
    way_out = "Install kind or Go" if docker_answers else "Start Docker"
    raise ClusterError(
        f"No development cluster fits this machine: {lacks}, and this is not root on Linux.\n"
        f"{way_out} ({VARIABLE}=kind), or run as root on Debian ({VARIABLE}=native),\n"
        f"or use the cluster of your kubeconfig ({VARIABLE}=current)."
    )


def detect(layout: Layout) -> ClusterKind:
    """Reads the environment and the machine, and chooses."""
    wanted = os.environ.get(VARIABLE, "")
    return choose(
        wanted,
        docker_answers=not wanted and succeeds(["docker", "info"]),
        has_kind=tools.find(layout, "kind") is not None or tools.find(layout, "go") is not None,
        linux_root=sys.platform == "linux" and os.geteuid() == 0,
    )


def _named(wanted: str) -> ClusterKind:
    try:
        return ClusterKind(wanted)
    except ValueError as error:
        known = ", ".join(ClusterKind)
        raise ClusterError(f"{VARIABLE}={wanted} is unknown; use one of: {known}") from error
