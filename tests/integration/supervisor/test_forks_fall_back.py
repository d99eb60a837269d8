"""Whatever cannot be forked is started as a new process, and the log says why."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fixtures.ipykernels import IPYKERNEL, client_of, restart, restart_anew, run, zygote_of
from fixtures.supervisors import Container, Operator, Supervise, eventually

NEW_PROCESS = "kubernel: a restart starts a new process instead of forking one: "


def preloads_until_told(supervise: Supervise, operator: Operator, folder: Path) -> Container:
    """A ready kernel; beside it modules are imported until there is a file "go on". "importing" counts the attempts."""
    (folder / "preloaded.py").write_text(
        "import os, time\nopen('importing', 'a').write('x')\nwhile not os.path.exists('go on'): time.sleep(0.01)\n"
    )
    container = supervise(IPYKERNEL, operator=operator, preload="preloaded", env={"PYTHONPATH": str(folder)})
    operator.wait("running", generation=0)
    return container


@pytest.mark.parametrize(
    ("preload", "name", "value"),
    [
        ("", "OMP_NUM_THREADS", "1"),
        ("", "PYTHONOPTIMIZE", "1"),
        ("", "LC_ALL", "C.UTF-8"),
        ("", "USER", "somebody"),
        ("matplotlib", "MPLBACKEND", "agg"),
    ],
)
def test_a_variable_that_acts_at_import(
    supervise: Supervise, operator: Operator, preload: str, name: str, value: str
) -> None:
    container = supervise(IPYKERNEL, operator=operator, preload=preload)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        restart_anew(container, client, env={name: value})
        assert run(client, f"import os; print(os.environ[{name!r}])") == f"{value}\n"
        restart(container, client)  # the next process that forks has it
        assert run(client, f"import os; print(os.environ[{name!r}])") == f"{value}\n"
        restart_anew(container, client, env={})
    why = f"{NEW_PROCESS}{name} acts when a process starts or imports its modules\n"
    assert container.wait_for_output(why).count(NEW_PROCESS) == 1


def test_a_module_that_cannot_be_preloaded_is_left_out(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator, preload="no_such_module_here json")
    operator.wait("running", generation=0)
    container.wait_for_output(
        "kubernel: cannot be preloaded: no_such_module_here: "
        "ModuleNotFoundError: No module named 'no_such_module_here'\n"
    )
    with client_of(container) as client:
        restart(container, client)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
            "RuntimeError: an imported module has started a thread",
        ),
        ("import os; os._exit(3)", "the process that forks has ended"),
        ("raise SystemExit", "the process that forks has ended"),
    ],
    ids=["starts a thread", "ends the process", "exits"],
)
def test_a_preloaded_module_that_prevents_forks(
    supervise: Supervise, operator: Operator, tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "preloaded.py").write_text(text)
    container = supervise(IPYKERNEL, operator=operator, preload="preloaded", env={"PYTHONPATH": str(tmp_path)})
    operator.wait("running", generation=0)
    container.wait_for_output(f"{NEW_PROCESS}{why}\n")
    with client_of(container) as client:
        restart(container, client, forked=False)
    assert container.request("status")["zygote"] is None
    container.kill()
    assert container.output().count(NEW_PROCESS) == 1  # and no second attempt


def test_process_that_forks_was_killed(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        os.kill(zygote_of(container), signal.SIGKILL)
        container.wait_for_output(f"{NEW_PROCESS}the process that forks has ended\n")
        restart(container, client, forked=False)
        restart(container, client)  # from another one


def test_process_that_forks_does_not_answer(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        pid = zygote_of(container)
        os.kill(pid, signal.SIGSTOP)
        restart(container, client, forked=False)
        assert not Path(f"/proc/{pid}").exists()
    container.wait_for_output(f"{NEW_PROCESS}the process that forks does not answer (timed out)\n")


def test_restart_while_modules_are_imported(supervise: Supervise, operator: Operator, tmp_path: Path) -> None:
    container = preloads_until_told(supervise, operator, tmp_path)
    with client_of(container) as client:
        container.wait_until_file("importing")
        restart(container, client, forked=False)
        (container.folder / "go on").touch()
        restart(container, client)


def test_a_busy_kernel_has_the_cpu_for_itself(supervise: Supervise, operator: Operator) -> None:
    """Nothing is imported beside a cell that computes."""
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        code = """
import time, subprocess, os
end = time.process_time() + 3
while time.process_time() < end: pass
print(subprocess.run(["ps", "-o", "args=", "--ppid", str(os.getppid())], capture_output=True, text=True).stdout)
"""
        assert [line for line in run(client, code).splitlines() if "exec(" in line] == []
        restart(container, client)


def test_a_cell_that_runs_while_modules_are_imported_has_the_cpu_for_itself(
    supervise: Supervise, operator: Operator, tmp_path: Path
) -> None:
    container = preloads_until_told(supervise, operator, tmp_path)
    with client_of(container) as client:
        container.wait_until_file("importing")
        run(client, "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass")
        eventually(lambda: (container.folder / "importing").read_text() == "xx", "a second attempt")
        (container.folder / "go on").touch()
        restart(container, client)
