"""TCP sockets of this pod: who listens, and who is connected."""

import os
import signal
import socket

from .procfs import processes, read_file

TCP_ESTABLISHED, TCP_LISTEN = b"01", b"0A"


def tcp_sockets(state: bytes) -> "list[tuple[bytes, bytes, bytes]] | None":
    """TCP sockets in that state: local address, remote address, inode. None when /proc cannot be read.

    Addresses are as /proc shows them, in hexadecimal with the port last: ``0100007F:49C1``.
    """
    tables = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            tables.append(read_file(path, 1 << 26))
        except OSError:
            pass
    if not tables:
        return None
    rows = [line.split(None, 10) for table in tables for line in table.splitlines()[1:]]
    return [(row[1], row[2], row[9]) for row in rows if len(row) > 9 and row[3] == state]


def port_of(address: bytes) -> int:
    """The port in an address of ``tcp_sockets``."""
    return int(address.rpartition(b":")[2], 16)


def has_client(port: int) -> bool:
    """Whether anyone but the container's own processes is connected to this port.

    ipykernel 7 is: its debugger has a connection to the shell port. And the peer of ``kubectl port-forward`` has a
    socket in this network namespace too, but no process in this container.
    """
    sockets = tcp_sockets(TCP_ESTABLISHED) or []
    inodes = {(local, remote): inode for local, remote, inode in sockets}
    clients = [(remote, local) for local, remote, _ in sockets if port_of(local) == port]
    if not clients:
        return False
    own = own_sockets()
    return any(inodes.get(client) not in own for client in clients)


def port_holders(ports: "set[int]") -> "list[int]":
    """Pids of the processes of this container that listen on one of these ports."""
    inodes = {inode for local, _, inode in tcp_sockets(TCP_LISTEN) or [] if port_of(local) in ports}
    return [pid for pid in processes() if not inodes.isdisjoint(sockets_of(pid))]


def kill_all(pids: "list[int]") -> None:
    """SIGKILL to each; some may have ended meanwhile."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def own_sockets() -> "set[bytes | None]":
    """Inodes of the sockets that processes of this container have open."""
    return {inode for pid in processes() for inode in sockets_of(pid)}


def sockets_of(pid: int) -> "set[bytes]":
    """Inodes of the sockets that a process has open."""
    links = descriptors(pid)
    return {link[len("socket:[") : -1].encode() for link in links if link.startswith("socket:[")}


def descriptors(pid: int) -> "list[str]":
    """What the open descriptors of a process are; those that vanish meanwhile are left out."""
    links = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                continue
    except OSError:
        pass
    return links


def accepts(port: int) -> bool:
    """Whether a connection to that local port is accepted.

    It costs 0.03 ms of CPU; to read /proc/net/tcp, for which the node's whole table is searched, cost up to 9 ms.
    """
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_free(port: int) -> bool:
    """Whether a kernel could listen on that port. Not to be asked while one is about to."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as ZMQ does
        try:
            probe.bind(("0.0.0.0", port))  # and closed at once
        except OSError:
            return False
        return True


def own_address() -> "str | None":
    """The address of this pod: the one that a packet to anywhere would have. Nothing is sent."""
    for family, anywhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((anywhere, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return None
