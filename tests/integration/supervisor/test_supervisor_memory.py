"""Which end was for want of memory: the cgroup's counter, written by the test, read by a real supervisor."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from fixtures.supervisors import Kernel, Operator, Supervise


class Counter:
    """memory.events of the container as a FIFO: each look of the supervisor waits for what the test writes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        os.mkfifo(folder / "memory.events")
        self._path = folder / "memory.events"
        mount = f"mount --bind {shlex.quote(str(folder))} /sys/fs/cgroup"
        self.prefix = ("unshare", "--mount", "dash", "-c", f'{mount} && exec "$@"', "dash")

    def is_read_as(self, oom_kills: int) -> None:
        """The next look finds this number."""
        with self._path.open("w") as file:
            file.write(f"low 0\noom_kill {oom_kills}\n")


@pytest.fixture
def counter(tmp_path: Path, pid_namespace: tuple[str, ...]) -> Counter:
    """Needs root, as a pid namespace does."""
    return Counter(tmp_path / "cgroup")


def test_killed_for_memory(supervise: Supervise, kernel: Kernel, operator: Operator, counter: Counter) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=counter.prefix)
    counter.is_read_as(0)
    operator.wait("running")
    os.kill(container.request("status")["pid"], signal.SIGKILL)
    counter.is_read_as(1)
    assert operator.wait("exited")["oomKilled"] is True
    counter.is_read_as(1)  # the look after an end


def test_a_childs_death_for_memory_long_ago_is_not_the_kernels(
    supervise: Supervise, kernel: Kernel, operator: Operator, counter: Counter
) -> None:
    body = """
def orphan(*_):
    if os.fork() == 0:
        os.fork() or os._exit(0)
        os._exit(0)
    os.wait()
signal.signal(signal.SIGUSR1, orphan)
serve()
"""
    container = supervise(kernel(body), operator=operator, prefix=counter.prefix)
    counter.is_read_as(0)
    operator.wait("running")
    container.request("signal", signum=signal.SIGUSR1)
    counter.is_read_as(1)  # a child was killed for memory, and the supervisor has looked since then
    os.kill(container.request("status")["pid"], signal.SIGKILL)
    counter.is_read_as(1)
    exited = operator.wait("exited")
    assert (exited["oomKilled"], exited["signal"]) == (False, signal.SIGKILL)
    counter.is_read_as(1)


def test_what_is_used_is_told(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    """By whatever cgroup this test runs in; CPU time is that of the container's processes."""
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    told = container.request("usage")
    assert told["cpuSeconds"] > 0
    assert told["memory"] is None or told["memory"]["usage"] > 0
