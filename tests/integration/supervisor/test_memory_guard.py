"""A kernel stands still short of its memory limit and goes on when that has grown: real processes, made-up numbers."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from fixtures.supervisors import Container, Kernel, Operator, Supervise, eventually

MIB = 1 << 20
#: A kernel with a child that is in a session of its own, as workers may be.
WITH_CHILD = """
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
serve()
"""


class Cgroup:
    """/sys/fs/cgroup of version 2, whose numbers a test writes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.says(used=100, limit=400)
        mount = f"mount --bind {shlex.quote(str(folder))} /sys/fs/cgroup"
        self.prefix = ("unshare", "--mount", "dash", "-c", f'{mount} && exec "$@"', "dash")

    def says(self, *, used: int, limit: int | None, cache: int = 0) -> None:
        """MiB."""
        self._write("memory.stat", f"anon 0\ninactive_file {cache * MIB:>12}\n")
        self._write("memory.max", "max         \n" if limit is None else f"{limit * MIB:>12}\n")
        self._write("memory.current", f"{used * MIB:>12}\n")

    def _write(self, name: str, text: str) -> None:
        """In one piece, into the file that a supervisor has open."""
        handle = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT)
        os.write(handle, text.encode())
        os.close(handle)


@pytest.fixture
def cgroup(tmp_path: Path, pid_namespace: tuple[str, ...]) -> Cgroup:
    """Needs root, as a pid namespace does."""
    return Cgroup(tmp_path / "cgroup")


@pytest.fixture
def container(supervise: Supervise, kernel: Kernel, operator: Operator, cgroup: Cgroup) -> Container:
    """A kernel with a child, which is guarded."""
    found = supervise(kernel(WITH_CHILD), operator=operator, prefix=cgroup.prefix, memoryGuard="Interrupt")
    operator.wait("running")
    eventually(lambda: len(processes(found)) == 2, "the kernel's child")
    return found


def processes(container: Container) -> list[int]:
    """The kernel and its child."""
    leader = container.request("status")["pid"]
    folder = Path(f"/proc/{leader}/task/{leader}/children")
    return [leader, *map(int, folder.read_text().split())]


def states(container: Container) -> set[str]:
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in processes(container)}


def until(container: Container, wanted: set[str]) -> None:
    eventually(lambda: states(container) == wanted, f"processes in {wanted}")


def test_it_stands_still_until_the_limit_has_grown(container: Container, operator: Operator, cgroup: Cgroup) -> None:
    assert operator.wait("running")["memory"] == {"usage": 100 * MIB, "limit": 400 * MIB}
    cgroup.says(used=300, limit=400)
    report = operator.wait("running", frozen=["memory"])
    assert (report["memory"]["usage"], report["memory"]["limit"]) == (300 * MIB, 400 * MIB)
    assert report["memory"]["available"] > 0
    assert report["frozenSeconds"] >= 0
    until(container, {"T"})
    cgroup.says(used=300, limit=800)
    container.wait_for_output("the kernel goes on: its memory limit is 800 MiB")
    until(container, {"S"})
    assert "frozen" not in container.request("status")


def test_what_the_node_would_give_up_first_does_not_count(
    container: Container, operator: Operator, cgroup: Cgroup
) -> None:
    cgroup.says(used=390, limit=400, cache=300)
    cgroup.says(used=390, limit=400, cache=50)
    assert operator.wait("running", frozen=["memory"])["memory"]["usage"] == 340 * MIB
    until(container, {"T"})


def test_it_is_told_again_while_it_stands_still(container: Container, operator: Operator, cgroup: Cgroup) -> None:
    """The operator that was told first may be gone."""
    cgroup.says(used=300, limit=400)
    until(container, {"T"})
    eventually(lambda: len([r for r in operator.reports if r.get("frozen")]) > 1, "a second report")
    assert container.request("usage")["memory"] == {"usage": 300 * MIB, "limit": 400 * MIB}


def test_who_interrupts_it_has_chosen(container: Container, cgroup: Cgroup) -> None:
    cgroup.says(used=300, limit=400)
    until(container, {"T"})
    container.request("signal", signum=signal.SIGINT)
    container.wait_for_output("interrupted")
    until(container, {"S"})
    cgroup.says(used=310, limit=400)  # it was told that there is no more
    assert states(container) == {"S"}
    cgroup.says(used=310, limit=420)
    until(container, {"T"})


def test_a_restart_of_one_that_stands_still(container: Container, operator: Operator, cgroup: Cgroup) -> None:
    cgroup.says(used=300, limit=400)
    until(container, {"T"})
    cgroup.says(used=100, limit=400)
    container.request("restart", generation=1)
    operator.wait("running", generation=1)
    until(container, {"S"})


def test_what_somebody_else_has_stopped_stays_so(container: Container, cgroup: Cgroup) -> None:
    _, child = processes(container)
    os.kill(child, signal.SIGSTOP)
    until(container, {"S", "T"})
    cgroup.says(used=300, limit=400)
    until(container, {"T"})
    cgroup.says(used=300, limit=800)
    until(container, {"S", "T"})


def test_the_end_of_one_that_stands_still(container: Container, cgroup: Cgroup) -> None:
    cgroup.says(used=300, limit=400)
    until(container, {"T"})
    container.request("stop")
    assert container.wait() == 128 + signal.SIGTERM


def test_pause_and_continue(container: Container, operator: Operator) -> None:
    answer = container.request("configure", idleTimeoutSeconds=None, suspend=True)
    assert answer == {"ok": True, "idleTimeoutSeconds": None, "suspended": True}
    until(container, {"T"})
    assert operator.wait("running", frozen=["suspended"])["memory"] is not None
    container.request("configure", idleTimeoutSeconds=None)
    until(container, {"T"})
    container.request("configure", idleTimeoutSeconds=None, suspend=False)
    until(container, {"S"})
    assert "frozen" not in container.request("status")


def test_two_reasons_to_stand_still(container: Container, cgroup: Cgroup, operator: Operator) -> None:
    cgroup.says(used=300, limit=400)
    operator.wait("running", frozen=["memory"])
    container.request("configure", idleTimeoutSeconds=None, suspend=True)
    operator.wait("running", frozen=["memory", "suspended"])
    cgroup.says(used=300, limit=800)
    container.wait_for_output("the kernel goes on")
    until(container, {"T"})
    container.request("configure", idleTimeoutSeconds=None, suspend=False)
    until(container, {"S"})


@pytest.mark.parametrize("end", ["signal", "restart"])
def test_a_paused_kernel_can_be_ended(container: Container, operator: Operator, end: str) -> None:
    container.request("configure", idleTimeoutSeconds=None, suspend=True)
    until(container, {"T"})
    if end == "signal":
        container.request("signal", signum=signal.SIGTERM)
        assert operator.wait("exited")["signal"] == signal.SIGTERM
    else:
        container.request("restart", generation=1)
        operator.wait("running", generation=1)
        until(container, {"S"})
