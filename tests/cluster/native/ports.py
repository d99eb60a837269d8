"""Who listens on a port, and the message for the person whose port is taken."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError
from cluster.native.components import ANY
from cluster.processes import PROC, Component, Endpoint, Process, read_process

LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket."""

    address: str
    port: int
    inode: str


def parse_listeners(table: str) -> list[Listener]:
    """Returns the listening sockets in the text of /proc/net/tcp or /proc/net/tcp6.

    Source: Documentation/networking/proc_net_tcp.rst of the Linux kernel.
    """
    rows = (line.split() for line in table.splitlines()[1:])
    return [_listener(row[1], row[9]) for row in rows if len(row) > 9 and row[3] == LISTEN]


def taken(endpoint: Endpoint, listeners: Iterable[Listener]) -> Listener | None:
    """Returns the socket that keeps the endpoint from being listened on, if any."""
    return next(
        (one for one in listeners if one.port == endpoint.port and _overlap(endpoint.address, one.address)), None
    )


def taken_message(component: str, endpoint: Endpoint, holder: Process | None) -> str:
    """Returns the complaint about a port that somebody else holds."""
    who = f"{' '.join(holder.argv)[:80]} (pid {holder.pid})" if holder else "a process that cannot be seen from here"
    way_out = f"kill {holder.pid}" if holder else f"ss --listening --tcp --processes 'sport = {endpoint.port}'"
    return (
        f"{component} needs port {endpoint.port}, which is taken by {who}.\n"
        f"End that process (`{way_out}`) and try again, or use another cluster: KUBERNEL_CLUSTER=kind|current."
    )


def require_free(components: Sequence[Component]) -> None:
    """Makes sure that every port these components need is free.

    Raises:
        ClusterError: one is taken.
    """
    listeners = read_listeners()
    for component in components:
        for endpoint in component.listens:
            if listener := taken(endpoint, listeners):
                raise ClusterError(taken_message(component.name, endpoint, holder(listener)))


def read_listeners(proc: Path = PROC) -> list[Listener]:
    """Returns all listening TCP sockets of this machine."""
    tables = (proc / "net" / name for name in ("tcp", "tcp6"))
    return [listener for table in tables if table.exists() for listener in parse_listeners(table.read_text())]


def holder(listener: Listener, proc: Path = PROC) -> Process | None:
    """Returns the process that holds the socket, or None when it is in another container."""
    target = f"socket:[{listener.inode}]"
    for link in proc.glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == target:
                return read_process(int(link.parts[-3]), proc)
        except OSError:
            continue
    return None


def _listener(local: str, inode: str) -> Listener:
    address, port = local.split(":")
    return Listener(_parse_address(address), int(port, 16), inode)


def _parse_address(text: str) -> str:
    """The address is in hexadecimal, in 32-bit words of the machine's own byte order."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _overlap(wanted: str, present: str) -> bool:
    """A wildcard covers every address; `::` usually covers IPv4 as well."""
    return present in {wanted, ANY, "::"} or (wanted == ANY and ":" not in present)
