"""What the container has used: CPU time, and processes that were killed for memory."""

import os

from .procfs import processes, read_file, stat_fields

OOM_FILES = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")  # cgroup v1, v2


def oom_kills(paths: "tuple[str, ...]" = OOM_FILES) -> int:
    """How many processes of this container the kernel of the node has killed for memory; 0 when nothing tells."""
    for path in paths:
        try:
            rows = dict(line.split() for line in read_file(path).splitlines())
            return int(rows[b"oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def cpu_seconds() -> float:
    """CPU time of all processes in the container but this one, children that have ended included."""
    own, ticks = os.getpid(), 0
    for pid in processes():
        try:
            fields = stat_fields(pid)
        except OSError:
            continue
        own_time, of_children = fields[14 - 3 : 16 - 3], fields[16 - 3 : 18 - 3]
        ticks += sum(map(int, of_children)) + (0 if pid == own else sum(map(int, own_time)))
    return ticks / os.sysconf("SC_CLK_TCK")
