"""Kernels in a real cgroup of version 2: they stand still, grow, shrink, and end for want of memory.

Where the machine has only version 1, User-Mode Linux has the other: ``make test-cgroup-v2``.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.supervisors import Container, Kernel, Operator, Supervise, eventually

ROOT = Path("/sys/fs/cgroup")
MIB = 1 << 20
#: Takes 8 MiB more at a time, as often as it is told to.
FILLS = """
filled = []
def fill(*_):
    for _ in range(64):
        filled.append(bytearray(b"x") * (8 << 20))
    print("filled", flush=True)
def take(*_):
    filled.append(bytearray(b"x") * (300 << 20))
    print("taken", flush=True)
signal.signal(signal.SIGUSR1, fill)
signal.signal(signal.SIGUSR2, take)
serve()
"""


class Cgroup:
    """A container's, as the kubelet makes it: the container sees nothing else."""

    def __init__(self) -> None:
        self.folder = ROOT / f"kubernel-{secrets.token_hex(4)}"
        self.folder.mkdir()
        enter = f'echo $$ > {self.folder}/cgroup.procs && mount --bind {self.folder} {ROOT} && exec "$@"'
        self.prefix = ("unshare", "--mount", "dash", "-c", enter, "dash")

    def write(self, name: str, value: object) -> None:
        """One of its files."""
        (self.folder / name).write_text(f"{value}\n")

    def kills(self) -> int:
        """How many processes were killed for memory."""
        rows = dict(line.split() for line in (self.folder / "memory.events").read_text().splitlines())
        return int(rows["oom_kill"])

    def close(self) -> None:
        """Ends what runs in it."""
        self.write("cgroup.kill", 1)
        eventually(lambda: not (self.folder / "cgroup.procs").read_text(), "an empty cgroup")
        self.folder.rmdir()


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    """With 350 MiB."""
    controllers = ROOT / "cgroup.subtree_control"
    if os.geteuid() != 0 or not controllers.exists() or "memory" not in controllers.read_text().split():
        pytest.skip("no cgroup v2 with memory here, or not root: make test-cgroup-v2 brings one")
    made = Cgroup()
    made.write("memory.max", 350 * MIB)
    made.write("memory.swap.max", 0)
    yield made
    made.close()


@pytest.fixture
def container(supervise: Supervise, kernel: Kernel, operator: Operator, cgroup: Cgroup) -> Container:
    """A kernel that is guarded."""
    found = supervise(kernel(FILLS), operator=operator, prefix=cgroup.prefix, memoryGuard="Interrupt")
    operator.wait("running")
    return found


def test_it_stands_still_until_the_limit_has_grown(container: Container, operator: Operator, cgroup: Cgroup) -> None:
    container.request("signal", signum=signal.SIGUSR1)
    report = operator.wait("running", frozen=["memory"])
    assert 200 * MIB < report["memory"]["usage"] < report["memory"]["limit"] == 350 * MIB
    cgroup.write("memory.max", 1024 * MIB)
    container.wait_for_output("the kernel goes on: its memory limit is 1024 MiB")
    container.wait_for_output("filled")
    assert container.request("usage")["memory"]["usage"] > 512 * MIB
    assert cgroup.kills() == 0


def test_it_stands_still_when_the_limit_shrinks(container: Container, operator: Operator, cgroup: Cgroup) -> None:
    cgroup.write("memory.max", 1024 * MIB)
    container.request("signal", signum=signal.SIGUSR2)
    container.wait_for_output("taken")
    cgroup.write("memory.max", 400 * MIB)
    report = operator.wait("running", frozen=["memory"])
    assert report["memory"]["limit"] == 400 * MIB
    cgroup.write("memory.max", 1024 * MIB)
    container.wait_for_output("the kernel goes on: its memory limit is 1024 MiB")
    assert cgroup.kills() == 0


def test_a_limit_that_shrinks_far_above_what_is_used_is_no_matter(
    container: Container, operator: Operator, cgroup: Cgroup
) -> None:
    cgroup.write("memory.max", 1024 * MIB)
    cgroup.write("memory.max", 512 * MIB)
    eventually(lambda: container.request("usage")["memory"]["limit"] == 512 * MIB, "the new limit")
    assert not any(report.get("frozen") for report in operator.reports)


@pytest.mark.parametrize("group", [0, 1], ids=["the largest process", "the whole group"])
def test_without_a_guard(supervise: Supervise, kernel: Kernel, operator: Operator, cgroup: Cgroup, group: int) -> None:
    """Kubernetes sets memory.oom.group: then nobody is left to tell, and the pod's status says it."""
    cgroup.write("memory.oom.group", group)
    container = supervise(kernel(FILLS), operator=operator, prefix=cgroup.prefix)
    operator.wait("running")
    container.request("signal", signum=signal.SIGUSR1)
    if group:
        assert container.wait() == -signal.SIGKILL
        assert "exited" not in operator.states()
    else:
        exited = operator.wait("exited")
        assert (exited["signal"], exited["oomKilled"]) == (signal.SIGKILL, True)
        assert exited["memory"]["usage"] > 300 * MIB
    assert cgroup.kills() > 0
