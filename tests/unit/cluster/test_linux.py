from pathlib import Path

from cluster.linux import script


def test_its_first_process_ends_with_the_commands_exit_code() -> None:
    lines = script(["pytest", "a b"], Path("/the checkout"), {"PATH": "/venv/bin"}).splitlines()
    assert "cd '/the checkout'" in lines
    (command,) = (line for line in lines if line.startswith("env -i "))
    assert command.startswith("env -i PATH=/venv/bin:/usr/local/sbin:")
    assert command.endswith(" pytest 'a b' </dev/null")
    assert lines[lines.index(command) + 1] == "echo $? > /proc/exitcode"
