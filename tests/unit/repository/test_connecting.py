"""What runs ``kubernel connect`` for the demo and the tests never waits for ever, whatever the command does."""

import subprocess
from pathlib import Path

import pytest

from fixtures import connecting

AFAR = "It leads through the API server, and ends with this command (Ctrl-C)."


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the command; the test writes its lines."""
    file = tmp_path / "kubernel"
    file.touch(mode=0o755)
    monkeypatch.setattr(connecting, "PROGRAM", file)
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 1.0)
    return file


def script(program: Path, *lines: str) -> None:
    program.write_text("\n".join(["#!/bin/bash", f'echo $$ > "{program.parent}/pid"', *lines, ""]))


def is_running(program: Path) -> bool:
    return Path("/proc", (program.parent / "pid").read_text().strip()).exists()


def test_a_way_of_its_own_has_ended_the_command_already(program: Path) -> None:
    script(program, 'echo "Wrote $3"')
    with connecting.connected("k", file=Path("f")) as said:
        assert said == "Wrote --file=f\n"
        assert not is_running(program)


def test_a_way_through_the_api_server_lasts_as_long_as_it_is_wanted(program: Path) -> None:
    # bash may lose a signal that comes just as a command ends for which it waits; its `wait` does not.
    script(program, "trap 'kill $!; exit 0' INT", "sleep 600 &", f'echo "{AFAR}"', "wait")
    with connecting.connected("k", file=Path("f")) as said:
        assert said == f"{AFAR}\n"
        assert is_running(program)
    assert not is_running(program)


def test_a_failure_says_what_the_command_said(program: Path) -> None:
    script(program, "echo no such kernel >&2", "exit 1")
    with pytest.raises(RuntimeError, match="no such kernel"), connecting.connected("k", file=Path("f")):
        pytest.fail("not connected")


def test_a_command_that_never_gets_there_is_ended(program: Path) -> None:
    script(program, "echo trying", "exec sleep 600")
    with pytest.raises(RuntimeError, match="trying"), connecting.connected("k", file=Path("f")):
        pytest.fail("not connected")
    assert not is_running(program)


def test_a_command_that_ignores_the_end_is_killed(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "END_SECONDS", 0.2)
    script(program, "trap '' INT", f'echo "{AFAR}"', "exec sleep 600")
    with pytest.raises(subprocess.TimeoutExpired), connecting.connected("k", file=Path("f")):
        pass
    assert not is_running(program)
