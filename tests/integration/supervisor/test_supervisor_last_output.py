"""What a kernel that had worked printed before it died: told to those who have its key, and to nobody else."""

from __future__ import annotations

import base64
import contextlib
import signal
from pathlib import Path

import pytest

from fixtures.ipykernels import IPYKERNEL, client_of, reply_to, run
from fixtures.supervisors import KEY, TOKEN, Container, Kernel, Operator, Supervise, eventually
from kubernel_wire.control import unsealed


def last_output(container: Container) -> str:
    """What is told of the kernel's first process."""
    answer = container.request("output")
    assert answer["generation"] == 0
    return unsealed(KEY.encode(), answer["sealed"])


def test_only_its_key_opens_it(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    body = """
sockets = listen()
print("a warning of the start", flush=True)
while not os.path.exists("crash"):
    time.sleep(0.01)
for number in range(3000):
    print("line", number, INFO["key"] if number == 2999 else "", flush=True)
os.abort()
"""
    container = supervise(kernel(body), operator=operator)
    operator.wait("running")
    container.wait_for_output("a warning")
    (container.folder / "crash").touch()
    assert operator.wait("exited", signal=signal.SIGABRT)["log"] == ""
    last = last_output(container)
    assert last.endswith("line 2999 [secret]\n")
    assert last.startswith("line ")
    assert 11_000 < len(last) < 12_289
    answer = container.request("output", key=TOKEN, role="operator")
    assert b"line" not in base64.b64decode(answer["sealed"])
    with pytest.raises(UnicodeDecodeError):
        unsealed(TOKEN.encode(), answer["sealed"])
    assert KEY not in container.wait_for_output("line 2999").replace(f" {KEY}\n", "")


def test_a_kernel_that_runs_has_printed_nothing_last(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("print('hello', flush=True)\nserve()"), operator=operator)
    operator.wait("running")
    answer = container.request("output")
    assert (answer["generation"], unsealed(KEY.encode(), answer["sealed"])) == (None, "")


def test_the_stacks_of_faulthandler(supervise: Supervise, operator: Operator) -> None:
    """They are in a pipe of ipykernel's own, whose thread has taken the first 1000 bytes at most, and is dead."""
    container = supervise(IPYKERNEL, operator=operator, env={"PYTHONFAULTHANDLER": "1"})
    operator.wait("running")
    with client_of(container) as client:
        pipe = run(client, "import os; print(os.readlink('/proc/self/fd/2'))").strip()
        eventually(lambda: pipe in files_of(container.pid), "the supervisor's hold of the kernel's pipe")
        client.execute("import ctypes; ctypes.string_at(0)")
        operator.wait("exited", signal=signal.SIGSEGV)
    last = last_output(container)
    assert "in string_at\n" in last.partition("Current thread")[2]
    container.wait_for_output("in string_at")
    assert pipe not in files_of(container.pid)


def test_a_restart_that_was_asked_for_is_no_end(supervise: Supervise, operator: Operator) -> None:
    container = supervise(IPYKERNEL, operator=operator)
    operator.wait("running")
    with client_of(container) as client:
        container.request("restart", generation=1)
        operator.wait("running", generation=1)
        assert container.request("output")["generation"] is None
        client.wait_for_ready(timeout=20)
        pipe = run(client, "import os; print(os.readlink('/proc/self/fd/2'))").strip()
        eventually(lambda: pipe in files_of(container.pid), "the supervisor's hold of the kernel's new pipe")
        reply_to(client, client.execute("1"))


def files_of(pid: int) -> set[str]:
    """Where a process' descriptors lead to."""
    found = set()
    try:
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.add(str(path.readlink()))
    except PermissionError:
        pytest.skip("only root may look at the files of a process that hides its secrets")
    return found
