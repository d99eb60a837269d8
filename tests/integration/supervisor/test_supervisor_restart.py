"""Restart in place: same ports, same key, another process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from fixtures.supervisors import Kernel, Operator, Supervise


def test_restart_after_the_kernels_end_keeps_ports_and_key(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running", generation=0)
    before, pid = container.connection_file, container.request("status")["pid"]
    container.request("signal", signum=signal.SIGKILL)
    operator.wait("exited", generation=0)
    assert container.request("restart", generation=1) == {"ok": True, "started": True}
    operator.wait("running", generation=1)
    assert container.connection_file == before
    assert container.request("status")["pid"] not in (pid, None)
    assert [state for state in operator.states() if state != "starting"] == ["running", "exited", "running"]


def test_restart_while_running_kills_the_old_process_without_telling_of_its_end(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("signal.signal(signal.SIGTERM, signal.SIG_IGN); serve()"), operator=operator)
    operator.wait("running", generation=0)
    container.request("restart", generation=1)
    operator.wait("running", generation=1)
    assert [state for state in operator.states() if state != "starting"] == ["running", "running"]


def test_stale_generation_does_nothing(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator, restartGeneration=5)
    operator.wait("running")
    pid = container.request("status")["pid"]
    for generation in (5, 4, 0, -1):
        assert container.request("restart", generation=generation) == {"ok": True, "started": False}
    assert container.request("status")["pid"] == pid


def test_same_restart_asked_for_twice_at_once_happens_once(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    together, answers = Barrier(2), []

    def ask() -> None:
        together.wait()
        answers.append(container.request("restart", generation=1)["started"])

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operator.wait("running", generation=1)
    assert sorted(answers) == [False, True]
    assert [state for state in operator.states() if state != "starting"] == ["running", "running"]


def test_newest_of_many_restarts_wins(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running", generation=0)
    for generation in range(1, 11):
        assert container.request("restart", generation=generation)["started"] is True
    operator.wait("running", generation=10)
    assert container.request("status")["generation"] == 10
    assert "exited" not in operator.states()


def test_restart_while_starting(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    body = "\nif not os.path.exists('restarted'): open('restarted', 'w'); signal.pause()\nserve()"
    container = supervise(kernel(body), operator=operator)
    operator.wait("starting", generation=0)
    container.wait_until_file("restarted")
    container.request("restart", generation=1)
    operator.wait("running", generation=1)


def test_environment_of_a_restart_holds_until_the_next_one(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    body = "print('session', os.environ.get('JPY_SESSION_NAME'), os.environ['HOME'] != ''); sys.stdout.flush(); serve()"
    container = supervise(kernel(body), operator=operator)
    operator.wait("running", generation=0)
    environments: list[dict[str, Any]] = [{"env": {"JPY_SESSION_NAME": "a.ipynb"}}, {}, {"env": {}}]
    for generation, fields in enumerate(environments, 1):
        container.request("restart", generation=generation, **fields)
        operator.wait("running", generation=generation)
    container.request("stop")
    assert container.output().splitlines() == [
        "session None True",
        "session a.ipynb True",
        "session a.ipynb True",
        "session None True",
    ]


def test_a_variable_that_the_user_has_removed_is_gone(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    """Those of the image stay; without a new environment all do."""
    body = "print([os.environ.get(n) for n in ('MINE', 'a.b', 'IMAGE')], flush=True); serve()"
    env = {"MINE": "1", "KUBERNEL_ENV_0": "a.b=1", "IMAGE": "1"}
    container = supervise(kernel(body), operator=operator, env=env, config_env="MINE a.b")
    operator.wait("running", generation=0)
    environments: list[dict[str, Any]] = [{}, {"env": {"a.b": "2"}}, {}, {"env": {}}]
    for generation, fields in enumerate(environments, 1):
        container.request("restart", generation=generation, **fields)
        operator.wait("running", generation=generation)
    container.request("stop")
    seen = [("1", "1", "1"), ("1", "1", "1"), (None, "2", "1"), (None, "2", "1"), (None, None, "1")]
    assert container.output().splitlines() == [str(list(line)) for line in seen]


# A process that still has the old kernel's sockets looks like a kernel that is ready. So these tests ask the new kernel
# itself: it says so when it has got the ports.
LEAVES_ONE_BEHIND = """
SOCKETS = listen()
print('has the ports', flush=True)
if not os.path.exists('forked') and os.fork() == 0:
    {left_behind}
open('forked', 'w')
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    "left_behind",
    [
        pytest.param("time.sleep(1000)", id="in the kernel's group"),
        pytest.param("os.setsid(); time.sleep(1000)", id="outside the group"),
        pytest.param("os.setsid(); time.sleep(0.1); os._exit(0)", id="outside the group and about to end"),
    ],
)
@pytest.mark.parametrize("died", [True, False], ids=["kernel died", "kernel runs"])
def test_process_left_behind_does_not_keep_the_ports(
    supervise: Supervise, kernel: Kernel, operator: Operator, left_behind: str, died: bool
) -> None:
    container = supervise(kernel(LEAVES_ONE_BEHIND.format(left_behind=left_behind)), operator=operator)
    container.wait_until_file("forked")
    if died:
        os.kill(container.status(state="running")["pid"], signal.SIGKILL)
        operator.wait("exited", generation=0)
    container.request("restart", generation=1)
    container.wait_for_output("has the ports\nhas the ports\n")
    operator.wait("running", generation=1)


def test_nothing_of_the_old_kernel_is_left(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    """A daemon in a session of its own would keep its memory and its GPU."""
    body = """
if not os.path.exists('daemons'):
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open('daemons', 'a').write('%d\\n' % os.getpid())
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(1000)
            os._exit(0)
        os.wait()
while len(open('daemons').readlines()) < 3: time.sleep(0.01)
serve()
"""
    container = supervise(kernel(body), operator=operator)
    operator.wait("running", generation=0)
    daemons = [int(line) for line in (container.folder / "daemons").read_text().split()]
    container.request("restart", generation=1)
    operator.wait("running", generation=1)
    assert [pid for pid in daemons if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize(
    ("env", "error"),
    [
        ({"A=B": "1"}, "env: 'A=B' cannot be the name of a variable"),
        ({"": "1"}, "env: '' cannot be the name of a variable"),
        ({"A": "x\0y"}, "env: the variable 'A' holds a NUL"),
        ({"A": "\ud800"}, "env: the variable 'A' is no text that can be encoded"),
    ],
)
def test_environment_that_no_process_can_have_is_refused(
    supervise: Supervise, kernel: Kernel, operator: Operator, env: dict[str, str], error: str
) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    before = container.request("status")
    assert container.request("restart", generation=1, env=env) == {"ok": False, "error": error}
    after = container.request("status")
    assert (after["pid"], after["generation"]) == (before["pid"], 0)


def test_environment_of_64_kib_fits_whatever_its_language(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("print(len(os.environ['A'])); sys.stdout.flush(); serve()"), operator=operator)
    container.request("restart", generation=1, env={"A": "\u00fc" * 32_000})
    container.wait_for_output("32000\n")


def test_connection_file_that_the_kernel_removed_is_written_again(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("os.unlink(sys.argv[1]); serve()"), operator=operator)
    operator.wait("running", generation=0)
    container.request("restart", generation=1)
    operator.wait("running", generation=1)


def test_restart_is_refused_once_the_container_is_to_end(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("signal.signal(signal.SIGTERM, signal.SIG_IGN); serve()"), operator=operator)
    operator.wait("running")
    container.request("stop")
    assert container.request("restart", generation=1) == {"ok": False, "error": "the container is ending"}
    assert container.wait() == 128 + signal.SIGKILL


def test_kernel_that_cannot_be_restarted_is_told(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running", generation=0)
    container.request("restart", generation=1, env={"PATH": "/nowhere"})
    exited = operator.wait("exited", generation=1)
    assert (exited["exitCode"], exited["log"]) == (127, "python3: not found in this image on PATH (/nowhere)")
    container.request("restart", generation=2, env={})
    operator.wait("running", generation=2)
