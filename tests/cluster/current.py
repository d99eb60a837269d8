"""Somebody else's cluster: the one of the kubeconfig in use. Nothing is created in it here."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cluster import tools
from cluster.commands import run
from cluster.errors import ClusterError
from cluster.images import select
from cluster.layout import Layout
from cluster.progress import say


@dataclass(frozen=True)
class CurrentCluster:
    """The commands of `python3 tests/cluster` for a cluster that is not ours."""

    layout: Layout

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that kubectl would use."""
        return find_kubeconfig(os.environ)

    @property
    def audit_log(self) -> Path:
        """Not within reach."""
        _refuse("has an audit log that cannot be read from here")

    def up(self) -> None:
        """Makes sure that it answers."""
        self._kubectl("get", "--raw=/readyz")

    def down(self) -> None:
        """Leaves it alone."""
        say("The cluster of your kubeconfig is not ours to stop.")

    def images(self, names: Sequence[str]) -> None:
        """Says what has to be there."""
        for image in select(names):
            say(f"  needed in your cluster: {image.reference}, from docker build -f {image.dockerfile} .")

    def load(self, images: Sequence[str]) -> None:
        """Refuses: how images get there is unknown."""
        _refuse(f"gets its images from a registry: push {' '.join(images)} there")

    def stop(self, name: str) -> None:
        """Refuses: a fault test is not for somebody else's cluster."""
        _refuse(f"may serve others, so its {name} is not stopped")

    def start(self, name: str) -> None:
        """Refuses."""
        _refuse(f"is not ours, so its {name} is not started")

    def status(self) -> str:
        """Returns its nodes."""
        return self._kubectl("get", "nodes", "--output=wide")

    def _kubectl(self, *arguments: str) -> str:
        return run([tools.require(self.layout, "kubectl"), *arguments])


def find_kubeconfig(environ: Mapping[str, str]) -> Path:
    """Returns the first file of KUBECONFIG, or the default one."""
    first = environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first or "~/.kube/config").expanduser()


def _refuse(what: str) -> NoReturn:
    raise ClusterError(f"The cluster of your kubeconfig (KUBERNEL_CLUSTER=current) {what}.")
