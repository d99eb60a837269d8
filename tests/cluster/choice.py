"""Which kind of cluster to use: kind, native or the one of the current kubeconfig."""

import os
import sys
from enum import StrEnum

from cluster.commands import succeeds
from cluster.errors import ClusterError

VARIABLE = "KUBERNEL_CLUSTER"


class ClusterKind(StrEnum):
    """The values of KUBERNEL_CLUSTER."""

    KIND = "kind"
    NATIVE = "native"
    CURRENT = "current"


def choose(wanted: str, *, docker_answers: bool, linux_root: bool) -> ClusterKind:
    """Returns the kind of cluster to use.

    Args:
        wanted: the value of KUBERNEL_CLUSTER, empty when unset.
        docker_answers: whether `docker info` works.
        linux_root: whether this is Linux and we are root.

    Raises:
        ClusterError: an unknown value, or nothing fits this machine.
    """
    if wanted:
        return _named(wanted)
    if docker_answers:
        return ClusterKind.KIND
    if linux_root:
        return ClusterKind.NATIVE
    raise ClusterError(
        "No development cluster fits this machine: no Docker engine answers, and this is not root on Linux.\n"
        f"Start Docker ({VARIABLE}=kind), or run as root on Debian ({VARIABLE}=native),\n"
        f"or use the cluster of your kubeconfig ({VARIABLE}=current)."
    )


def detect() -> ClusterKind:
    """Reads the environment and the machine, and chooses."""
    wanted = os.environ.get(VARIABLE, "")
    return choose(
        wanted,
        docker_answers=not wanted and succeeds(["docker", "info"]),
        linux_root=sys.platform == "linux" and os.geteuid() == 0,
    )


def _named(wanted: str) -> ClusterKind:
    try:
        return ClusterKind(wanted)
    except ValueError as error:
        known = ", ".join(ClusterKind)
        raise ClusterError(f"{VARIABLE}={wanted} is unknown; use one of: {known}") from error
