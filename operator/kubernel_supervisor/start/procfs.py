"""Files of /proc, and what they say of processes."""

import os


def read_file(path: str, limit: int = 1 << 20) -> bytes:
    """The first ``limit`` bytes of a file; files in /proc are read in one piece, so they are consistent."""
    handle = os.open(path, os.O_RDONLY)
    try:
        pieces = []
        while limit > 0:
            piece = os.read(handle, limit)
            if not piece:
                break
            pieces.append(piece)
            limit -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(handle)


def stat_fields(pid: "object") -> "list[bytes]":
    """The fields of /proc/PID/stat from the third one on, so field n of proc(5) is ``[n - 3]``."""
    return read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def processes() -> "list[int]":
    """Pids of all processes in the container."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(pid: int) -> "list[int]":
    """Pids of the children of a process, their children and so on; not of those that have ended."""
    children = {}  # type: dict[int, list[int]]
    for other in processes():
        try:
            fields = stat_fields(other)
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X"):
            children.setdefault(int(fields[4 - 3]), []).append(other)
    found = list(children.get(pid, []))
    for child in found:
        found += children.get(child, [])
    return found
