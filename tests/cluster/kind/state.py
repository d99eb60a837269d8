"""What `up` has to do about a cluster that may be there, half made, stopped or out of date. Nothing here does I/O."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cluster.errors import ClusterError


class Step(StrEnum):
    """What to do with the node's container."""

    CREATE = "create"
    REMAKE = "remake"
    START = "start"
    UNPAUSE = "unpause"
    KEEP = "keep"


@dataclass(frozen=True)
class Node:
    """The node's container, as Docker shows it.

    Args:
        id: the container's, which no later container has.
        status: running, exited, paused, created, ...
        folder: of this machine, mounted in it as /kubernel; empty when nothing is.
        address: in Docker's network; empty when it does not run.
    """

    id: str
    status: str
    folder: str
    address: str


@dataclass(frozen=True)
class Stamp:
    """Written once a new cluster has become ready; a cluster without one was never finished.

    Args:
        node: the container's id.
        made_from: digest of what the cluster was made from.
    """

    node: str
    made_from: str


def parse_node(inspected: str) -> Node | None:
    """Returns the container that `docker inspect` shows; None for an empty list."""
    containers = json.loads(inspected or "[]")
    if not containers:
        return None
    (container,) = containers
    mounts = {mount["Destination"]: mount.get("Source", "") for mount in container.get("Mounts", [])}
    networks = container.get("NetworkSettings", {}).get("Networks") or {}
    address = next((network["IPAddress"] for network in networks.values() if network.get("IPAddress")), "")
    return Node(container["Id"], container["State"]["Status"], mounts.get("/kubernel", ""), address)


def made_from(*texts: str) -> str:
    """Returns a digest of what a cluster is made from."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def decide(node: Node | None, stamp: Stamp | None, wanted: str) -> tuple[Step, str]:
    """Returns what to do, and why where that is not plain.

    Args:
        node: the node's container, if there is one.
        stamp: what the last finished `up` wrote, if anything.
        wanted: digest of what a cluster would be made from now.
    """
    if node is None:
        return Step.CREATE, ""
    if stamp is None or stamp.node != node.id:
        return Step.REMAKE, "it was never finished"
    if stamp.made_from != wanted:
        return Step.REMAKE, "its node image or its configuration is another one now"
    by_status = {"running": Step.KEEP, "paused": Step.UNPAUSE}
    return by_status.get(node.status, Step.START), ""


def require_ours(node: Node | None, folder: Path) -> None:
    """Refuses to touch a cluster of the same name that somebody else's state folder belongs to.

    Docker Desktop shows folders of the machine below a folder of its own, hence the comparison of the ends.

    Raises:
        ClusterError: it is not ours.
    """
    if node and node.folder and not node.folder.endswith(str(folder)):
        raise ClusterError(
            f"A kind cluster of the same name is in use with the state folder {node.folder}.\n"
            "End it there with `make cluster-down`, or remove it: kind delete cluster --name kubernel"
        )


def parse_stamp(text: str) -> Stamp | None:
    """Returns the stamp; None for a text that is none."""
    try:
        return Stamp(**json.loads(text))
    except (ValueError, TypeError):
        return None


def format_stamp(stamp: Stamp) -> str:
    """Returns the stamp's text."""
    return json.dumps(vars(stamp))


def node_image(environ: Mapping[str, str], default: str) -> str:
    """Returns the node image: KUBERNEL_KIND_NODE_IMAGE, for machines that have their own, or the pinned one."""
    return environ.get("KUBERNEL_KIND_NODE_IMAGE") or default


def is_supported(said: str, wanted: str) -> bool:
    """Returns whether a kind is of the wanted release or newer.

    Args:
        said: what `kind version` prints, as in "kind v0.33.0 go1.26.1 linux/amd64".
        wanted: as in "v0.33.0".
    """
    words = said.split()
    return len(words) > 1 and _release(words[1]) >= _release(wanted)


def _release(version: str) -> tuple[int, ...]:
    """Returns the numbers of a version without what follows them; nothing for what is no version."""
    numbers = version.removeprefix("v").partition("-")[0].partition("+")[0].split(".")
    return tuple(int(number) for number in numbers) if all(number.isdigit() for number in numbers) else ()
