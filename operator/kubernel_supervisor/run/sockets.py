"""TCP sockets of this pod: who listens, and who is connected."""

import os
import socket

from kubernel_supervisor.start.procfs import processes, read_file

TCP_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
TCP_ESTABLISHED = b"01"
# The first bytes of ZMTP 3: signature and version. Source: https://rfc.zeromq.org/spec/23/
ZMTP_GREETING, ZMTP_MECHANISM = b"\xff" + bytes(8) + b"\x7f\x03\x00", slice(12, 32)
MAPPED = b"0000000000000000FFFF0000"  # what /proc/net/tcp6 puts before an IPv4 address


def tcp_sockets(state: bytes, paths: "tuple[str, ...]" = TCP_TABLES) -> "list[tuple[bytes, bytes, bytes]]":
    """TCP sockets in that state: local address, remote address, inode.

    Addresses are as /proc shows them, in hexadecimal with the port last: ``0100007F:49C1``. Those of IPv4 look the same
    on sockets of both families.
    """
    rows = []
    for path in paths:
        try:
            rows += [line.split(None, 10) for line in read_file(path, 1 << 26).splitlines()[1:]]
        except OSError:
            pass  # no IPv6
    found = [row for row in rows if len(row) > 9 and row[3] == state]
    return [(row[1].replace(MAPPED, b""), row[2].replace(MAPPED, b""), row[9]) for row in found]


def port_of(address: bytes) -> int:
    """The port in an address of ``tcp_sockets``."""
    return int(address.rpartition(b":")[2], 16)


def has_client(port: int) -> bool:
    """Whether anyone but the container's own processes is connected to this port.

    ipykernel 7 is: its debugger has a connection to the shell port. And the peer of ``kubectl port-forward`` has a
    socket in this network namespace too, but no process in this container.
    """
    sockets = tcp_sockets(TCP_ESTABLISHED)
    inodes = {(local, remote): inode for local, remote, inode in sockets}
    clients = [(remote, local) for local, remote, _ in sockets if port_of(local) == port]
    if not clients:
        return False
    own = own_sockets()
    return any(inodes.get(client) not in own for client in clients)


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


def family_of(address: str) -> int:
    """The family of sockets that an address needs."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def accepts(address: str, port: int) -> bool:
    """Whether a connection to a port of this pod is accepted.

    It costs 0.03 ms of CPU; to read /proc/net/tcp, for which the node's whole table is searched, cost up to 9 ms.
    """
    with socket.socket(family_of(address)) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((address, port)) == 0


def mechanism(address: str, port: int) -> "str | None":
    """How a ZMQ socket of this pod is secured: ``NULL``, ``CURVE``; "" when it is none, None when it has yet to say so.

    It does before it knows the other end, whose greeting is therefore left unfinished.
    """
    answer = b""
    with socket.socket(family_of(address)) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect((address, port))
            probe.sendall(ZMTP_GREETING)
            while len(answer) < ZMTP_MECHANISM.stop:
                piece = probe.recv(64)
                if not piece:
                    return ""
                answer += piece
        except socket.timeout:  # noqa: UP041 - Python 3.9
            return None
        except OSError:
            return ""
    return answer[ZMTP_MECHANISM].rstrip(b"\0").decode("ascii", "replace")


def is_free(any_address: str, port: int) -> bool:
    """Whether a kernel could listen on that port. Not for the time in which one is about to."""
    with socket.socket(family_of(any_address)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as ZMQ does
        try:
            probe.bind((any_address, port))  # and closed at once
        except OSError:
            return False
        return True
