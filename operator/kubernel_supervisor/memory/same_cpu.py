"""Runs where the kernel runs, so that the kernel does not get far while its guard waits for a CPU."""

import os

from kubernel_supervisor.start.launch import ALL_CPUS

STATE, PROCESSOR = 3 - 3, 39 - 3  # of /proc/PID/stat, as ``stat_fields`` counts
RUNNING = b"R"


class SameCpu:
    """Keeps this thread on the CPU of a process for as long as that runs.

    On a busy node everybody waits for a CPU now and then, for up to a tenth of a second, and on another CPU the kernel
    fills some hundred MiB meanwhile. On the same CPU both wait for others together, and between themselves they take
    turns every few milliseconds.

    Raises:
        OSError: there is no such process.
    """

    def __init__(self, pid: int) -> None:
        self._stat = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        self._cpu = -1

    def follow(self) -> None:
        """Goes to where the process runs; anywhere when it waits, be it for processes of its own."""
        try:
            fields = os.pread(self._stat, 4096, 0).rpartition(b")")[2].split()
            cpu = int(fields[PROCESSOR]) if fields[STATE] == RUNNING else -1
        except (OSError, IndexError):
            cpu = -1  # it has ended
        self._go(cpu)

    def leave(self) -> None:
        """Runs anywhere again."""
        self._go(-1)

    def close(self) -> None:
        """Runs anywhere, and follows nobody any more."""
        self.leave()
        os.close(self._stat)

    def _go(self, cpu: int) -> None:
        if cpu != self._cpu:
            try:
                os.sched_setaffinity(0, {cpu} if cpu >= 0 else ALL_CPUS)
            except OSError:
                return  # a sandbox, or the node gives the container other CPUs just now
            self._cpu = cpu
