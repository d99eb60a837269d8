"""A member of a pool: a container that waits, with everything imported, and becomes one kernel's when it is bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.ipykernels import CLAIM, IPYKERNEL, bind, client_of, restart, run, was_forked
from fixtures.supervisors import KEY, TOKEN, Container, Operator, Supervise
from kubernel_wire.control import Binding, bind_request


@pytest.fixture
def member(supervise: Supervise, operator: Operator) -> Container:
    """A member that waits."""
    container = supervise(IPYKERNEL, operator=operator, key=None, member=1, restartGraceSeconds=0.1)
    operator.wait("waiting", claim="")
    return container


def test_a_member_becomes_a_kernel_by_a_fork(member: Container, operator: Operator, open_path: Path) -> None:
    folder = open_path / "notebooks"
    folder.mkdir()
    assert not (member.folder / "private").exists(), "there is no connection file before"
    bind(member, env={"NAME": "ü $(HOME)", "dotted.name": "1"}, working_dir=str(folder), generation=4)
    report = operator.wait("running", generation=4)
    assert report["claim"] == CLAIM
    with client_of(member) as client:
        assert was_forked(client)
        code = "import os; print(os.environ['NAME'], os.environ['dotted.name'], os.getcwd())"
        assert run(client, code) == f"ü $(HOME) 1 {folder}\n"


def test_its_kernel_restarts_as_any(member: Container, operator: Operator) -> None:
    bind(member, env={"NAME": "one"})
    operator.wait("running", generation=0)
    with client_of(member) as client:
        restart(member, client, env={"NAME": "two"})
        assert run(client, "import os; print(os.environ['NAME'])") == "two\n"
        assert member.request("signal", signum=2)["delivered"]


def test_it_is_bound_once(member: Container, operator: Operator) -> None:
    bind(member)
    bind(member)  # the operator was killed before it had the answer
    other = bind(member, "7b0c1d9e-0000-4000-8000-000000000002")
    assert other["error"] == "this container waits for no kernel"
    operator.wait("running", generation=0)
    assert member.request("status")["claim"] == CLAIM


def test_who_has_only_the_connection_key_binds_nothing(member: Container) -> None:
    assert member.request("status")["error"] == "authentication failed"
    request = bind_request(KEY.encode(), CLAIM, {"key": KEY}, Binding())
    assert member.request(**request)["error"] == "authentication failed"


def test_what_it_cannot_do_it_says_and_waits_on(member: Container, operator: Operator) -> None:
    assert "workingDir" in bind(member, working_dir="/proc/no/such")["error"]
    assert "env" in bind(member, env={"A=B": ""})["error"]
    restarted = member.request("restart", role="operator", key=TOKEN, generation=1)
    assert restarted["error"] == "the container is bound to no kernel yet"
    assert member.request("status", role="operator", key=TOKEN)["state"] == "waiting"
    bind(member)
    operator.wait("running", generation=0)


def test_variables_that_act_at_start_make_a_new_process(member: Container, operator: Operator) -> None:
    bind(member, env={"PYTHONHASHSEED": "7"})
    operator.wait("running", generation=0)
    with client_of(member) as client:
        assert not was_forked(client)
        assert run(client, "import os; print(os.environ['PYTHONHASHSEED'])") == "7\n"


def test_a_member_of_another_kernel_waits_too(supervise: Supervise, operator: Operator, kernel: Any) -> None:
    container = supervise(kernel("serve()"), operator=operator, key=None, member=1)
    operator.wait("waiting", claim="")
    bind(container, argv=kernel("serve()"))
    operator.wait("running", generation=0)


def test_a_kernel_of_another_program_is_a_new_process(member: Container, operator: Operator) -> None:
    python, *rest = IPYKERNEL
    bind(member, argv=[python, "-Xutf8", *rest])
    operator.wait("running", generation=0)
    with client_of(member) as client:
        assert not was_forked(client)
        restart(member, client)  # by a fork of the right program


def test_what_forks_kernels_has_no_secret(member: Container) -> None:
    zygote = member.request("status", role="operator", key=TOKEN)["zygote"]["pid"]
    environ = Path(f"/proc/{zygote}/environ").read_bytes()
    assert TOKEN.encode() not in environ
    assert KEY.encode() not in environ


def test_a_waiting_member_ends_at_once(member: Container, operator: Operator) -> None:
    member.process.terminate()
    operator.wait("exited", reason="Terminated")
    assert member.wait() == 143
