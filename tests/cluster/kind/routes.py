"""Routes from this machine to the pods and Services of the kind cluster, by way of its node.

kind makes neither reachable. Without routes kernels are reached through the API server (KUBERNEL_ACCESS=port-forward),
and tests that dial pods are skipped.
"""

import json
import os
import sys
from dataclasses import dataclass
from enum import StrEnum

from cluster.commands import run, succeeds
from cluster.layout import KIND_POD_CIDR, KIND_SERVICE_CIDR
from cluster.progress import say

CIDRS = (KIND_POD_CIDR, KIND_SERVICE_CIDR)


class Verdict(StrEnum):
    """What can be done about the routes."""

    ADD = "add"
    PRESENT = "present"
    ASK = "ask"  # this user may not
    TAKEN = "taken"  # somebody else's network has the range
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True)
class Route:
    """A route of this machine.

    Args:
        device: the link that it leads to.
        gateway: the address that it leads by; empty where the link itself has the addresses.
    """

    device: str
    gateway: str


def decide(to_node: Route | None, present: list[Route | None], node: str, *, is_root: bool) -> Verdict:
    """Returns what to do.

    Args:
        to_node: this machine's way to the node's address; None when this is no Linux.
        present: this machine's routes to exactly our ranges, None where there is none.
        node: the node's address.
        is_root: whether we may change routes.
    """
    # By a gateway, the node is behind another machine: a remote engine, or the virtual machine of Docker Desktop.
    if to_node is None or to_node.gateway:
        return Verdict.IMPOSSIBLE
    if present and all(route and route.gateway == node for route in present):
        return Verdict.PRESENT
    # On the node's own link a route of an earlier cluster, whose node had another address, may be replaced.
    if any(route and route.device != to_node.device for route in present):
        return Verdict.TAKEN
    return Verdict.ADD if is_root else Verdict.ASK


def sentence(verdict: Verdict, node: str) -> str | None:
    """Returns what to tell people; None when there is nothing to tell."""
    consequence = "kernels are reached through the API server, and tests that dial pods are skipped"
    commands = "\n".join(f"  sudo {' '.join(add_command(cidr, node))}" for cidr in CIDRS)
    match verdict:
        case Verdict.ASK:
            return f"Pods and Services are not reachable from here: {consequence}. Two routes change that:\n{commands}"
        case Verdict.TAKEN:
            return f"A network of this machine has {' or '.join(CIDRS)} already: {consequence}."
        case Verdict.IMPOSSIBLE:
            return f"The Docker engine is not on this machine, so pods are not reachable from here: {consequence}."
        case _:
            return None


def add_command(cidr: str, node: str) -> list[str]:
    """Returns the command that makes one route, or puts ours in the place of an older one."""
    return ["ip", "route", "replace", cidr, "via", node]


def ensure(node: str) -> None:
    """Makes the routes where that is possible, and says what follows where it is not."""
    verdict = decide(_way_to(node), [_exact(cidr) for cidr in CIDRS], node, is_root=_is_root())
    if verdict is Verdict.ADD:
        for cidr in CIDRS:
            run(add_command(cidr, node))
    if text := sentence(verdict, node):
        say(text)


def remove(node: str) -> None:
    """Removes the routes that lead by this node."""
    if _is_root() and sys.platform == "linux":
        for cidr in CIDRS:
            succeeds(["ip", "route", "delete", cidr, "via", node])


def parse(listing: str) -> Route | None:
    """Returns the first route of a listing by `ip -json`; None when it is empty."""
    routes = json.loads(listing or "[]")
    return Route(routes[0].get("dev", ""), routes[0].get("gateway", "")) if routes else None


def _way_to(node: str) -> Route | None:
    return parse(run(["ip", "-json", "route", "get", node])) if sys.platform == "linux" and node else None


def _exact(cidr: str) -> Route | None:
    return parse(run(["ip", "-json", "route", "show", "exact", cidr])) if sys.platform == "linux" else None


def _is_root() -> bool:
    return os.geteuid() == 0
