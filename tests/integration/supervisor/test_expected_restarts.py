"""A restart that a manager has announced: the next kernel is initialised while the last one ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fixtures.ipykernels import IPYKERNEL, client_of, restart, restart_as_expected, run, zygote_of
from fixtures.supervisors import Operator, Supervise, eventually

NOT_AHEAD = "kubernel: no kernel is initialised ahead: "
NEW_PROCESS = "kubernel: a restart starts a new process instead of forking one: "


def test_the_last_one_goes_on_until_it_ends(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        zygote_of(container)
        run(client, "word = 'kept'")
        spare = container.request("status", restarts=True)["spare"]
        assert container.request("status", restarts=True)["spare"]["pid"] == spare["pid"]  # one is enough
        assert run(client, "print(word)") == "kept\n"
        restart_as_expected(container, client)
        assert run(client, "print('word' in globals())") == "False\n"
        assert container.request("status")["spare"] is None
        restart(container, client)


def test_nothing_is_made_without_a_process_that_forks(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator, fork="Never")
    operator.wait("running", generation=0)
    assert container.request("status", restarts=True)["spare"] is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_does_not_answer(supervise: Supervise, operator: Operator, number: int) -> None:
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        zygote_of(container)
        pid = container.request("status", restarts=True)["spare"]["pid"]
        os.kill(pid, number)
        restart(container, client)
        assert container.request("status")["pid"] != pid
        eventually(lambda: not Path(f"/proc/{pid}").exists(), "no process that waits for ever")


def test_a_variable_that_acts_at_import(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running", generation=0)
    with client_of(container) as client:
        zygote_of(container)
        assert container.request("status", restarts=True)["spare"]
        restart(container, client, forked=False, env={"OMP_NUM_THREADS": "1"})
        assert run(client, "import os; print(os.environ['OMP_NUM_THREADS'])") == "1\n"
    container.wait_for_output(f"{NEW_PROCESS}OMP_NUM_THREADS acts when a process starts or imports its modules\n")


def test_a_module_that_has_changed_meanwhile(supervise: Supervise, operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "preloaded.py").write_text("WORD = 'old'\n")
    container = supervise(IPYKERNEL, operator=operator, preload="preloaded", env={"PYTHONPATH": str(tmp_path)})
    operator.wait("running", generation=0)
    with client_of(container) as client:
        zygote_of(container)
        assert container.request("status", restarts=True)["spare"]
        (tmp_path / "preloaded.py").write_text("WORD = 'new, and longer'\n")
        os.utime(tmp_path / "preloaded.py", (2e9, 2e9))
        restart(container, client, forked=False)
        assert run(client, "import preloaded; print(preloaded.WORD)") == "new, and longer\n"
