from pathlib import Path

import pytest

from cluster import processes
from cluster.processes import (
    FINGERPRINT,
    Component,
    Process,
    descendants,
    find,
    fingerprint,
    has_fingerprint,
    list_processes,
)

STATE = Path("/state")
ETCD = Component("etcd", ("/cache/bin/etcd", "--data-dir=/state/etcd"))

outlives_its_parent = pytest.mark.filterwarnings("ignore::ResourceWarning")


def add_process(proc: Path, pid: int, *argv: str, parent: int = 1, started: int = 100, environ: str = "") -> None:
    """Writes a process as the kernel shows it; without argv it is a zombie."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_text("".join(f"{word}\0" for word in argv))
    fields = ["S", str(parent), *["0"] * 17, str(started), "0"]
    (folder / "stat").write_text(f"{pid} (a name) with (blanks) {' '.join(fields)}\n")
    (folder / "environ").write_text(environ)


def process(*argv: str, pid: int = 7, parent: int = 1) -> Process:
    return Process(pid=pid, started=100, parent=parent, argv=argv)


def test_processes_are_read_from_proc(tmp_path: Path) -> None:
    add_process(tmp_path, 7, "etcd", "--name=a b", parent=3, started=4321)
    add_process(tmp_path, 8)  # a zombie
    (tmp_path / "self").mkdir()
    (tmp_path / "9").mkdir()  # gone between the listing and the reading
    assert list_processes(tmp_path) == [Process(pid=7, started=4321, parent=3, argv=("etcd", "--name=a b"))]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        pytest.param(("/cache/bin/etcd", "--data-dir=/state/etcd"), True, id="ours"),
        pytest.param(("/cache/bin/etcd", "--data-dir=/state/etcd", "--debug"), True, id="ours, with older flags"),
        pytest.param(("/cache/bin/etcd", "--data-dir=/state2/etcd"), False, id="another cluster's"),
        pytest.param(("/usr/bin/etcd", "--data-dir=/var/lib/etcd"), False, id="the machine's own"),
        pytest.param(("vim", "/state/logs/etcd.log"), False, id="somebody reads our log"),
        pytest.param(("/cache/bin/etcd",), False, id="without flags"),
    ],
)
def test_our_own_process_is_told_by_its_command_line(argv: tuple[str, ...], expected: bool) -> None:
    assert (find(ETCD, STATE, [process(*argv)]) is not None) is expected


def test_nothing_runs() -> None:
    assert find(ETCD, STATE, []) is None


def test_descendants_include_grandchildren_and_nobody_else() -> None:
    shim = process("shim", pid=10)
    pause = process("pause", pid=11, parent=10)
    kernel = process("python", pid=12, parent=11)
    other = process("bash", pid=13, parent=1)
    assert descendants([shim], [kernel, other, pause, shim]) == [shim, pause, kernel]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "etcd"
    path.write_text("a program")
    return path


def test_a_fingerprint_changes_with_flags_and_files(tmp_path: Path, program: Path) -> None:
    config = tmp_path / "config"
    config.write_text("one")
    plain = fingerprint(Component("etcd", (str(program),), files=(config,)))
    flagged = fingerprint(Component("etcd", (str(program), "--debug"), files=(config,)))
    config.write_text("two")
    edited = fingerprint(Component("etcd", (str(program),), files=(config,)))
    assert len({plain, flagged, edited}) == 3


def test_a_fingerprint_changes_with_the_program(program: Path) -> None:
    component = Component("etcd", (str(program),))
    before = fingerprint(component)
    program.write_text("a newer program")
    assert fingerprint(component) != before


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(f"A=1\0{FINGERPRINT}=abc\0B=2\0", True, id="the same"),
        pytest.param(f"{FINGERPRINT}=def\0", False, id="another"),
        pytest.param(f"{FINGERPRINT}=abcd\0", False, id="longer"),
        pytest.param("A=1\0", False, id="none"),
    ],
)
def test_what_a_process_was_started_with_is_in_its_environment(tmp_path: Path, environ: str, expected: bool) -> None:
    add_process(tmp_path, 7, "etcd", environ=environ)
    assert has_fingerprint(process("etcd"), "abc", tmp_path) is expected


def test_a_process_that_is_gone_has_no_fingerprint(tmp_path: Path) -> None:
    assert not has_fingerprint(process("etcd"), "abc", tmp_path)


@outlives_its_parent
def test_a_started_process_can_be_found_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command line is empty until the kernel has mapped the program, 5 ms from a cold disk."""
    looks = iter([None, None, process("sleep", "1")])
    monkeypatch.setattr(processes, "read_process", lambda pid: next(looks))
    processes.start(Component("sleep", ("/bin/sleep", "1")), tmp_path / "log")
    assert list(looks) == []


@outlives_its_parent
def test_a_program_that_ends_at_once_is_not_waited_for(tmp_path: Path) -> None:
    processes.start(Component("true", ("/bin/true",)), tmp_path / "log")
