"""A spare kernel in a pool's pod is a user's own in milliseconds; with whatever it cannot be, the kernel is forked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from fixtures.ipykernels import IPYKERNEL, bind, client_of, run, was_forked
from fixtures.supervisors import KEY, TOKEN, Container, Operator, Supervise

NOT_AHEAD = "kubernel: no kernel is initialised ahead: "
FACTS = "import os; print(os.environ['NAME'], os.getcwd())"


@pytest.fixture
def make_member(supervise: Supervise, operator: Operator) -> Callable[..., Container]:
    """A member that waits; what it is made from are arguments."""

    def make(**more: Any) -> Container:
        container = supervise(IPYKERNEL, operator=operator, key=None, member=1, restartGraceSeconds=0.1, **more)
        operator.wait("waiting", claim="")
        return container

    return make


def spare_of(container: Container) -> int:
    """The pid of the kernel that waits in a member."""
    return int(container.request("status", role="operator", key=TOKEN)["spare"]["pid"])


def is_forked_when_bound(container: Container, operator: Operator, **told: Any) -> None:
    """Binds a member whose spare kernel cannot be used, and looks whether its kernel was forked in time."""
    assert bind(container, env={"NAME": "ada", **told.pop("env", {})}, **told)["state"] == "starting"
    operator.wait("running", generation=0)
    with client_of(container) as client:
        assert was_forked(client)
        assert run(client, FACTS).startswith("ada ")


def test_nothing_listens_and_no_key_is_there_before(make_member: Callable[..., Container]) -> None:
    member = make_member()
    pid = spare_of(member)
    for port in member.config["ports"].values():
        assert f":{port:04X} " not in Path("/proc/net/tcp").read_text()
    assert not (member.folder / "private").exists()
    assert bind(member, env={"NAME": "ada"})["state"] == "running"
    status = member.request("status")
    assert (status["pid"], status["spare"]) == (pid, None)
    with client_of(member) as client:
        assert run(client, FACTS).startswith("ada ")


def test_the_operator_hears_of_it_once(make_member: Callable[..., Container], operator: Operator) -> None:
    answer = bind(make_member(), env={"NAME": "ada"})
    assert operator.wait("waiting").get("memory") == answer.get("memory"), "it was not looked at once more"
    operator.wait("running")
    assert operator.states() == ["waiting", "running"], "that it starts was over before it could be told"


def test_it_encrypts_with_keys_that_it_is_told(make_member: Callable[..., Container]) -> None:
    member = make_member()
    public, secret = (key.decode() for key in zmq.curve_keypair())
    keys = {"key": KEY, "curve_publickey": public, "curve_secretkey": secret}
    answer = bind(member, keys=keys, encryption="Auto", env={"NAME": "ada"})
    assert (answer["state"], answer["encryption"]) == ("running", "Curve")
    with client_of(member, curve_publickey=public, curve_secretkey=secret) as client:
        assert run(client, FACTS).startswith("ada ")


def test_startup_files_see_whose_kernel_it_is(make_member: Callable[..., Container], tmp_path: Path) -> None:
    startup = tmp_path / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-first.py").write_text("import os\nseen = os.environ.get('NAME'), os.getcwd()\n")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    member = make_member(env={"IPYTHONDIR": str(tmp_path)})
    assert bind(member, env={"NAME": "ada"}, working_dir=str(folder))["state"] == "running"
    with client_of(member) as client:
        assert run(client, "print(*seen)") == f"ada {folder}\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_does_not_answer(make_member: Callable[..., Container], operator: Operator, number: int) -> None:
    member = make_member()
    os.kill(spare_of(member), number)
    is_forked_when_bound(member, operator)
    member.wait_for_output(NOT_AHEAD)


def test_a_variable_that_was_read_when_it_was_initialised(
    make_member: Callable[..., Container], operator: Operator, tmp_path: Path
) -> None:
    member = make_member()
    is_forked_when_bound(member, operator, env={"IPYTHONDIR": str(tmp_path)})
    member.wait_for_output(f"{NOT_AHEAD}IPYTHONDIR acts when a process starts or imports its modules\n")
    assert (tmp_path / "profile_default").exists()


def test_another_command(make_member: Callable[..., Container], operator: Operator) -> None:
    member = make_member()
    is_forked_when_bound(member, operator, argv=[*IPYKERNEL, "--IPKernelApp.no_stderr=True"])
    member.wait_for_output(f"{NOT_AHEAD}the kernel's command is another than its pool's\n")


DOES_NOT_ENCRYPT = """
from ipykernel.kernelapp import IPKernelApp
IPKernelApp._apply_curve_server_options = lambda *_: None
"""


def test_a_first_kernel_that_was_forked_is_asked_whether_it_encrypts(
    make_member: Callable[..., Container], tmp_path: Path
) -> None:
    """Its clients would wait for ever; no kernel before it has shown what it speaks."""
    (tmp_path / "does_not_encrypt.py").write_text(DOES_NOT_ENCRYPT)
    member = make_member(preload="does_not_encrypt", env={"PYTHONPATH": str(tmp_path)})
    public, secret = (key.decode() for key in zmq.curve_keypair())
    keys = {"key": KEY, "curve_publickey": public, "curve_secretkey": secret}
    bind(member, keys=keys, encryption="Curve", argv=[*IPYKERNEL, "--IPKernelApp.no_stderr=True"])
    member.wait_for_output("kernel does not encrypt its channels")
    assert member.request("status")["state"] == "starting"


UNKNOWN = """
from ipykernel.kernelapp import IPKernelApp
IPKernelApp.__mro__[1].init_heartbeat = IPKernelApp.init_heartbeat
del IPKernelApp.init_heartbeat
"""
FAILS = """
from ipykernel.kernelapp import IPKernelApp
init_kernel, connected = IPKernelApp.init_kernel, IPKernelApp.load_connection_file
def load_connection_file(self):
    self.has_key = True
    connected(self)
def fail_without_key(self):
    if not hasattr(self, "has_key"):
        raise RuntimeError("no key")
    init_kernel(self)
IPKernelApp.load_connection_file = load_connection_file
IPKernelApp.init_kernel = fail_without_key
"""


@pytest.mark.parametrize(
    ("module", "why"),
    [pytest.param(UNKNOWN, "KeyError", id="unknown"), pytest.param(FAILS, "RuntimeError: no key", id="fails")],
)
def test_an_ipykernel_that_cannot_be_initialised_without_its_key(
    make_member: Callable[..., Container], operator: Operator, tmp_path: Path, module: str, why: str
) -> None:
    (tmp_path / "different.py").write_text(module)
    member = make_member(preload="different", env={"PYTHONPATH": str(tmp_path)})
    member.wait_for_output(f"{NOT_AHEAD}{why}")
    is_forked_when_bound(member, operator)


def test_a_module_that_has_changed_meanwhile(
    make_member: Callable[..., Container], operator: Operator, tmp_path: Path
) -> None:
    (tmp_path / "preloaded.py").write_text("WORD = 'old'\n")
    member = make_member(preload="preloaded", env={"PYTHONPATH": str(tmp_path)})
    (tmp_path / "preloaded.py").write_text("WORD = 'new, and longer'\n")
    os.utime(tmp_path / "preloaded.py", (2e9, 2e9))
    assert bind(member, env={"NAME": "ada"})["state"] == "starting"
    operator.wait("running", generation=0)
    with client_of(member) as client:
        assert run(client, "import preloaded; print(preloaded.WORD)") == "new, and longer\n"
