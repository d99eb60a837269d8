"""What every kind of cluster can do, and which one is in use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cluster.choice import ClusterKind
from cluster.current import CurrentCluster
from cluster.kind.cluster import KindCluster
from cluster.layout import Layout
from cluster.native.cluster import NativeCluster


class Cluster(Protocol):
    """A development cluster. Every method raises ClusterError with what to do about it."""

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig to use, whether or not it exists yet."""
        ...

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON object per request and line."""
        ...

    def up(self) -> None:
        """Starts the cluster, or what is missing of it; safe to repeat."""
        ...

    def down(self) -> None:
        """Ends the cluster and forgets what was in it."""
        ...

    def images(self, names: Sequence[str]) -> None:
        """Builds the project's images, all without names, and loads those that changed."""
        ...

    def load(self, images: Sequence[str]) -> None:
        """Loads images that somebody else built, or docker-archives (*.tar)."""
        ...

    def stop(self, name: str) -> None:
        """Ends one component, as a fault would."""
        ...

    def start(self, name: str) -> None:
        """Starts one component and waits until it works."""
        ...

    def status(self) -> str:
        """Returns a text for people."""
        ...


def open_cluster(kind: ClusterKind, layout: Layout) -> Cluster:
    """Returns the cluster of this kind."""
    match kind:
        case ClusterKind.KIND:
            return KindCluster(layout)
        case ClusterKind.NATIVE:
            return NativeCluster(layout)
        case ClusterKind.CURRENT:
            return CurrentCluster(layout)
