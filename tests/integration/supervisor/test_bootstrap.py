"""The line of shell: with Python it becomes the supervisor, without it runs the kernel itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from fixtures.supervisors import KEY, TOKEN, Container, Kernel, Operator, Supervise, descendants, eventually
from kubernel_supervisor.bootstrap import bootstrap_args

SHELLS = [("dash",), ("bash",), ("bash", "--posix"), ("busybox", "ash")]
PLAIN_TOOLS = ("cat", "env", "mkdir", "printenv", "ps", "setsid", "sha256sum", "sleep", "true")


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Each shell that images bring."""
    words: tuple[str, ...] = request.param
    found = shutil.which(words[0])
    if found is None:
        pytest.skip(f"no {words[0]} here: the bootstrap is NOT tested with it")
    return (found, *words[1:])


@pytest.fixture
def no_python(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """A PATH that has a shell, the one under test if there is one, its tools and no Python.

    An image with busybox has its tools from busybox, too.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    shell = request.getfixturevalue("shell")[0] if "shell" in request.fixturenames else shutil.which("dash")
    for name in PLAIN_TOOLS:
        (folder / name).symlink_to(shell if shell.endswith("busybox") else str(shutil.which(name)))
    (folder / "sh").symlink_to(shell)
    return {"PATH": str(folder)}


def test_args_are_short_and_end_in_the_kernels_own() -> None:
    shell = ["sh", "-c", 'eval "$KUBERNEL_BOOTSTRAP"', "kubernel"]
    assert bootstrap_args(["a b", "{connection_file}"]) == [*shell, "a b", "{connection_file}"]
    assert bootstrap_args([]) == shell


def test_every_shell_starts_the_supervisor(
    supervise: Supervise, kernel: Kernel, operator: Operator, shell: tuple[str, ...]
) -> None:
    container = supervise(
        [*kernel("print(sys.argv[2:]); sys.exit(42)"), "a b", "$x", "'"],
        operator=operator,
        shell=shell,
        restartGraceSeconds=0,
    )
    operator.wait("exited", exitCode=42)
    assert container.wait() == 42
    assert container.output() == """['a b', '$x', "'"]\n"""


def test_without_python3_it_takes_python(supervise: Supervise, operator: Operator, no_python: dict[str, str]) -> None:
    Path(no_python["PATH"], "python").symlink_to(sys.executable)
    supervise(["sleep", "1000"], operator=operator, shell=(str(shutil.which("dash")),), env=no_python)
    operator.wait("starting")


def test_python_2_counts_as_none(supervise: Supervise, no_python: dict[str, str]) -> None:
    python = Path(no_python["PATH"], "python")
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 1\necho started python 2\n')
    python.chmod(0o755)
    container = supervise(["true"], shell=(str(shutil.which("dash")),), env=no_python)
    assert container.output().startswith("kubernel: no Python in this image")


FOREIGN = {"KUBERNEL_SUPERVISOR": "r'''\necho mine\n'''\nprint('mine')\n"}


def test_a_config_map_of_somebody_else_is_not_run(supervise: Supervise, shell: tuple[str, ...]) -> None:
    container = supervise(["true"], shell=shell, env=FOREIGN)
    assert container.wait() == 1
    assert container.output().endswith("holds something else than the operator put there; delete it\n")
    assert "mine" not in container.output()


# ---- Without Python.


def test_without_python_a_config_map_of_somebody_else_is_not_run(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    container = supervise(["true"], shell=shell, env=no_python | FOREIGN)
    assert container.wait() == 1
    assert container.output().endswith("holds something else than the operator put there; delete it\n")
    assert "mine" not in container.output()


def test_what_it_cannot_check_is_not_run(supervise: Supervise, no_python: dict[str, str]) -> None:
    Path(no_python["PATH"], "sha256sum").unlink()
    container = supervise(["true"], shell=(str(shutil.which("dash")),), env=no_python)
    assert container.wait() == 127
    assert "neither Python nor sha256sum" in container.output()


NOTE = "kubernel: no Python in this image: no callbacks, signals, restarts in place or idle timeout\n"


def test_plain_runs_the_kernel_with_its_connection_file(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    argv = [
        "sh",
        "-c",
        'printf "<%s>" "$@"; exit 42',
        "kernel",
        "{connection_file}",
        "--f={connection_file}:{connection_file}",
        "a b",
        "$x",
        "",
    ]
    container = supervise(argv, shell=shell, env=no_python)
    path = container.config["connectionFile"]
    assert container.wait() == 42
    assert container.output() == f"{NOTE}<{path}><--f={path}:{path}><a b><$x><>"
    assert container.connection_file == {
        "transport": "tcp",
        "ip": "0.0.0.0",
        "signature_scheme": "hmac-sha256",
        "key": KEY,
        **{f"{name}_port": port for name, port in container.config["ports"].items()},
    }
    file = Path(path)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_plain_kernel_has_variables_that_the_shell_would_drop(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    packed = {"KUBERNEL_ENV_0": "spark.driver.memory=1g=2", "KUBERNEL_ENV_1": "DOTTED.name-1=a\nb"}
    container = supervise(["env", "-0"], shell=shell, env={**no_python, **packed})
    seen = dict(item.split("=", 1) for item in container.output().split("\0") if item)
    assert (seen["spark.driver.memory"], seen["DOTTED.name-1"]) == ("1g=2", "a\nb")


def test_plain_listens_on_ipv6_in_a_pod_with_ipv6(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    container = supervise(["true"], shell=shell, env=no_python, pod_ips="fd00::5,10.0.0.7")
    assert container.wait() == 0
    assert container.connection_file["ip"] == "::"


def test_plain_connection_file_where_the_root_cannot_be_written(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    name = f"plain-{os.getpid()}-{len(shell)}-{Path(shell[0]).name}.json"
    container = supervise(["cat", "{connection_file}"], shell=shell, env=no_python, connectionFile=f"/proc/x/{name}")
    path = Path("/dev/shm/kubernel", name)
    assert f'"key": "{KEY}"' in container.output()
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()


def test_plain_knows_curve_keys(supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]) -> None:
    keys = {"CURVE_PUBLICKEY": "p%s.-:+=^!/*?&<>()[]{}@%$#", "CURVE_SECRETKEY": "s" * 40}
    env = {**no_python, **{f"KUBERNEL_{name}": value for name, value in keys.items()}}
    container = supervise(["true"], shell=shell, env=env, encryption="Curve")
    assert container.wait() == 0
    assert {name.upper(): container.connection_file[name.lower()] for name in keys} == keys


def test_plain_does_not_try_out_encryption(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    env = {**no_python, "KUBERNEL_CURVE_PUBLICKEY": "p" * 40, "KUBERNEL_CURVE_SECRETKEY": "s" * 40}
    container = supervise(["true"], shell=shell, env=env, encryption="Auto")
    assert container.wait() == 0
    assert "curve_publickey" not in container.connection_file


def test_plain_kernel_sees_no_secret(supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]) -> None:
    container = supervise(["env"], shell=shell, env={**no_python, "JPY_PARENT_PID": "1", "MINE": "1"})
    seen = container.output()
    assert "MINE=1\n" in seen
    assert [word for word in ("KUBERNEL_", "JPY_", KEY, TOKEN) if word in seen] == []


def can_reset_signals(shell: tuple[str, ...]) -> bool:
    """Whether ``env --default-signal`` of coreutils is what this shell runs; busybox takes its own ``env``."""
    return "busybox" not in shell[0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 7), (signal.SIGINT, 8)], ids=["SIGTERM", "SIGINT"])
def test_plain_passes_signals_on(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str], number: signal.Signals, code: int
) -> None:
    if number == signal.SIGINT and not can_reset_signals(shell):
        pytest.skip("busybox starts background children with SIGINT ignored, and a shell script cannot undo that")
    script = "trap 'exit 7' TERM; trap 'exit 8' INT; echo ready; while :; do sleep 0.01; done"
    container = supervise(["sh", "-c", script], shell=shell, env=no_python)
    container.wait_for_output("ready")
    os.kill(container.pid, number)
    assert container.wait() == code


def test_plain_kernel_that_goes_on_after_sigterm_is_waited_for(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    saving = "echo saving; for i in 1 2 3; do sleep 0.01; done; echo saved; exit 3"
    script = f"trap '{saving}' TERM; echo ready; while :; do sleep 0.01; done"
    container = supervise(["sh", "-c", script], shell=shell, env=no_python)
    container.wait_for_output("ready")
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 3
    assert container.output().endswith("saving\nsaved\n")


def test_plain_stays_for_a_moment_after_sigterm(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    """So that the pod's address refuses connections; those to an address that is gone would hang."""
    script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    container = supervise(["sh", "-c", script], shell=shell, env=no_python)
    container.wait_for_output("ready")
    os.kill(container.pid, signal.SIGTERM)
    container.wait_for_output("bye")
    eventually(lambda: [comm(pid) for pid in descendants(container.pid)] == ["sleep"], "the kernel's end")
    assert container.wait() == 7


def test_plain_exit_code_of_a_signal(supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]) -> None:
    container = supervise(["sh", "-c", "kill -9 $$"], shell=shell, env=no_python)
    assert container.wait() == 128 + signal.SIGKILL


def test_plain_kernel_is_not_pid_1_and_leads_a_session_that_can_be_interrupted(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str], pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(["sleep", "1000"], shell=shell, env=no_python, prefix=pid_namespace)

    def sleeper() -> int | None:
        return next((pid for pid in descendants(container.pid) if comm(pid) == "sleep"), None)

    pid = eventually(sleeper, "the kernel")
    assert pid != container.pid
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert ignored(pid) & {signal.SIGINT, signal.SIGTERM} == (set() if can_reset_signals(shell) else {signal.SIGINT})
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 128 + signal.SIGTERM


def comm(pid: int) -> str:
    """Name of a process, "" when it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def ignored(pid: int) -> set[int]:
    """Signals that a process ignores."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    mask = int(status["SigIgn"], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def test_plain_key_is_in_no_argument_list(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    container = supervise(["sleep", "1000"], shell=shell, env=no_python)
    eventually(lambda: any(comm(pid) == "sleep" for pid in descendants(container.pid)), "the kernel")
    for pid in (container.pid, *descendants(container.pid)):
        assert KEY not in Path(f"/proc/{pid}/cmdline").read_text()


def test_plain_secrets_are_in_no_environment(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    container = supervise(["sleep", "1000"], shell=shell, env=no_python)
    eventually(lambda: any(comm(pid) == "sleep" for pid in descendants(container.pid)), "the kernel")
    for pid in (container.pid, *descendants(container.pid)):
        environment = Path(f"/proc/{pid}/environ").read_text()
        assert (KEY in environment, TOKEN in environment) == (False, False)


def test_plain_without_argv_says_what_to_do(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    container = supervise([], shell=shell, env=no_python, kernelName="ir")
    assert container.wait() == 127
    assert container.output() == (
        "kubernel: no Python in this image, so no kernelspec is looked up: set spec.kernel.argv\n"
    )


def test_plain_without_setsid_or_env_still_works(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    for name in ("setsid", "env"):
        Path(no_python["PATH"], name).unlink()
    script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    container = supervise(["sh", "-c", script], shell=shell, env=no_python)
    container.wait_for_output("ready")
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 7


def test_plain_container_object_is_the_shell(supervise: Supervise, no_python: dict[str, str]) -> None:
    container: Container = supervise(["sleep", "1000"], shell=(str(shutil.which("dash")),), env=no_python)
    eventually(lambda: any(comm(pid) == "sleep" for pid in descendants(container.pid)), "the kernel")
    assert comm(container.pid) == "sh"


def test_without_python_a_pools_pod_ends(
    supervise: Supervise, shell: tuple[str, ...], no_python: dict[str, str]
) -> None:
    """It has no key yet: a kernel that is started now would take anybody for its client."""
    container = supervise(["cat", "{connection_file}"], shell=shell, env=no_python, key=None, member=1)
    assert container.wait() == 126
    assert container.output().endswith("kubernel: no Python in this image: its pods cannot wait in a KernelPool\n")
    assert not (container.folder / "private").exists()
