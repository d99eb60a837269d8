"""What the container has used: memory, CPU time, and processes that were killed for memory."""

import os

from kubernel_supervisor.start.procfs import processes, read_file, stat_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OOM_FILES = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")  # cgroup v1, v2
PEAK_FILES = ("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory.peak")
#: Folder, then files of usage and limit, then the row of memory.stat with the cache that the node would give up first.
MEMORY_FILES = (
    ("/sys/fs/cgroup/memory", "memory.usage_in_bytes", "memory.limit_in_bytes", b"total_inactive_file"),  # cgroup v1
    ("/sys/fs/cgroup", "memory.current", "memory.max", b"inactive_file"),  # v2
)
#: cgroup v1 has no word for no limit, only the largest number of pages.
NO_LIMIT = 1 << 60


def memory(files: "tuple[tuple[str, str, str, bytes], ...]" = MEMORY_FILES) -> "dict[str, int | None] | None":
    """Bytes of memory that are used, without the cache that the node would give up first, and the limit; None: unknown.

    Returns:
        ``usage`` and ``limit``; that is None where there is none.
    """
    for folder, usage, limit, cache in files:
        try:
            used = int(read_file(os.path.join(folder, usage)))
            most = read_file(os.path.join(folder, limit)).strip()
            rows = dict(line.split() for line in read_file(os.path.join(folder, "memory.stat")).splitlines())
            bound = None if most == b"max" or int(most) >= NO_LIMIT else int(most)
            return {"usage": max(0, used - int(rows[cache])), "limit": bound}
        except (OSError, ValueError, KeyError):
            continue
    return None


class MemoryGauge:
    """Looks at the memory again and again: the files stay open, which makes a look cost microseconds."""

    def __init__(self, files: "tuple[tuple[str, str, str, bytes], ...]" = MEMORY_FILES) -> None:
        self._files = {}  # type: dict[str, int]
        for folder, usage, limit, cache in files:
            try:
                for what, name in (("limit", limit), ("usage", usage), ("stat", "memory.stat")):
                    self._files[what] = os.open(os.path.join(folder, name), os.O_RDONLY)
            except OSError:
                self._files.clear()
            else:
                self._cache = cache
                return

    def _read(self, what: str) -> bytes:
        return os.pread(self._files[what], 1 << 16, 0)

    def limit(self) -> "int | None":
        """In bytes; None where there is none, or nothing tells."""
        try:
            text = self._read("limit").strip()
            return None if text == b"max" or int(text) >= NO_LIMIT else int(text)
        except (OSError, ValueError, KeyError):
            return None

    def used(self, enough: int) -> int:
        """Bytes, without the cache that the node would give up first where that decides whether they are ``enough``.

        The node sums that cache up when it is asked, for up to a millisecond.
        """
        try:
            used = int(self._read("usage"))
            if used < enough:
                return used
            rows = dict(line.split() for line in self._read("stat").splitlines())
            return max(0, used - int(rows[self._cache]))
        except (OSError, ValueError, KeyError):
            return 0


def most_used(paths: "tuple[str, ...]" = PEAK_FILES) -> "int | None":
    """Bytes that this container has ever used at once; None: nothing tells."""
    for path in paths:
        try:
            return int(read_file(path))
        except (OSError, ValueError):
            continue
    return None


def available() -> "int | None":
    """Bytes that the node has left; None: nothing tells."""
    try:
        rows = dict(line.split(None, 1) for line in read_file("/proc/meminfo").splitlines())
        return int(rows[b"MemAvailable:"].split()[0]) << 10
    except (OSError, ValueError, KeyError):
        return None


def usage() -> "dict[str, Any]":
    """What the control port's ``usage`` answers."""
    return {"memory": memory(), "cpuSeconds": round(cpu_seconds(), 2)}


def oom_kills(paths: "tuple[str, ...]" = OOM_FILES) -> int:
    """How many processes of this container the kernel of the node has killed for memory; 0 when nothing tells."""
    for path in paths:
        try:
            rows = dict(line.split() for line in read_file(path).splitlines())
            return int(rows[b"oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def cpu_seconds(pids: "list[int] | None" = None) -> float:
    """CPU time of these processes (all in the container) but this one, children that have ended included."""
    own, ticks = os.getpid(), 0
    for pid in processes() if pids is None else pids:
        try:
            fields = stat_fields(pid)
        except OSError:
            continue
        own_time, of_children = fields[14 - 3 : 16 - 3], fields[16 - 3 : 18 - 3]
        ticks += sum(map(int, of_children)) + (0 if pid == own else sum(map(int, own_time)))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> "int | None":
    """What a process takes of the memory, in bytes: pages shared with n others count one n-th; None: nothing tells."""
    try:
        rows = dict(line.split(None, 1) for line in read_file(f"/proc/{pid}/smaps_rollup").splitlines()[1:])
        return int(rows[b"Pss:"].split()[0]) << 10
    except (OSError, ValueError, KeyError):
        return None
