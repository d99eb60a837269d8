"""The kernel as a process: its session, signals and environment; the supervisor as PID 1."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fixtures.supervisors import (
    KEY,
    Kernel,
    Operator,
    Supervise,
    children,
    descendants,
    eventually,
    output_json,
)


def test_kernel_leads_its_own_session_with_default_signals_and_no_input(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    # Python itself ignores SIGPIPE and SIGXFSZ; make(1) leaves libc's own signals, 32 and 33, ignored in its children.
    body = """
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print(json.dumps({
    "leads session and group": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "group": subprocess.run(["ps", "-eo", "pgid="], stdout=-1).stdout.split().count(b"%d" % os.getpid()),
    "blocked": int(status["SigBlk"], 16), "ignored": int(status["SigIgn"], 16) & ~(1 << 12 | 1 << 24 | 3 << 31),
    "stdin": os.read(0, 10).decode(), "cwd": os.getcwd(), "umask": os.umask(0),
    "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
}))
"""
    container = supervise(kernel(body), operator=operator, restartGraceSeconds=0)
    operator.wait("exited", exitCode=0)
    umask = os.umask(0o22)
    os.umask(umask)
    assert output_json(container) == {
        "leads session and group": True,
        "group": 2,  # itself and its ps
        "blocked": 0,
        "ignored": 0,
        "stdin": "",
        "cwd": str(container.folder),
        "umask": umask,
        "descriptors": [0, 1, 2, 3],  # the last one is the list's own
    }


def test_environment_is_the_containers_without_ours(supervise: Supervise) -> None:
    env = {"USER_VARIABLE": "ü=1\n2", "JPY_PARENT_PID": "4711", "KUBERNEL_CURVE_SECRETKEY": "c" * 40}
    container = supervise(["env", "-0"], env=env, restartGraceSeconds=0)
    seen = dict(item.split("=", 1) for item in container.output().split("\0") if item)
    assert seen["USER_VARIABLE"] == "ü=1\n2"
    assert [name for name in seen if name.startswith(("KUBERNEL", "JPY"))] == []
    assert seen["HOME"] == str(container.folder)


def test_variables_that_a_shell_would_drop_reach_the_kernel(supervise: Supervise) -> None:
    env = {
        "KUBERNEL_ENV_0": "spark.driver.memory=1g=2",
        "KUBERNEL_ENV_1": "DOTTED.name-1=a\nb",
        "KUBERNEL_ENV_2": "db.password=$(db.password)",  # of an optional Secret that is not there
    }
    container = supervise(["env", "-0"], env=env, restartGraceSeconds=0)
    seen = dict(item.split("=", 1) for item in container.output().split("\0") if item)
    assert (seen["spark.driver.memory"], seen["DOTTED.name-1"]) == ("1g=2", "a\nb")
    assert "db.password" not in seen


def test_memory_ends_the_kernel_before_the_supervisor(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    pids = (container.pid, container.request("status")["pid"])
    scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in pids]
    assert scores[1] == min(scores[0] + 300, 1000)


def test_connection_file_is_private_and_complete(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    env = {"KUBERNEL_CURVE_PUBLICKEY": "p.-:+=^!/*?&<>()[]{}@%$#", "KUBERNEL_CURVE_SECRETKEY": "s" * 40}
    container = supervise(kernel("serve()"), operator=operator, env=env, kernelName="ir", encryption="Auto")
    operator.wait("running")
    path = Path(container.config["connectionFile"])
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert container.connection_file == {
        "transport": "tcp",
        "ip": "0.0.0.0",
        "signature_scheme": "hmac-sha256",
        "key": KEY,
        "kernel_name": "ir",
        "curve_publickey": "p.-:+=^!/*?&<>()[]{}@%$#",
        "curve_secretkey": "s" * 40,
        **{f"{name}_port": port for name, port in container.config["ports"].items()},
    }


def test_link_in_the_place_of_the_connection_file_is_not_followed(
    supervise: Supervise, kernel: Kernel, operator: Operator, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / "connection.json").symlink_to(victim)
    supervise(kernel("serve()"), operator=operator, connectionFile=str(folder / "connection.json"))
    operator.wait("running")
    assert victim.read_text() == "precious"


def test_unwritable_folder_falls_back_to_shared_memory(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    name = f"test-{os.getpid()}.json"
    container = supervise(
        kernel("print(sys.argv[1])"), operator=operator, connectionFile=f"/proc/{name}", restartGraceSeconds=0
    )
    assert container.output() == f"/dev/shm/kubernel/{name}\n"
    Path(f"/dev/shm/kubernel/{name}").unlink()


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        pytest.param(["no-such-program"], 127, "no-such-program: not found in this image on PATH", id="not on PATH"),
        pytest.param(["/no/such/program"], 127, "/no/such/program: not found in this image", id="no such path"),
        pytest.param(["./plain"], 126, "./plain: ./plain is not executable", id="no x bit"),
        pytest.param(["."], 126, "is not executable", id="a folder"),
        pytest.param(["./garbage"], 126, "./garbage cannot be executed: Exec format error", id="no program"),
        pytest.param(["./orphan"], 126, "./orphan cannot be executed: No such file", id="no interpreter"),
    ],
)
def test_kernel_that_cannot_start_is_explained(
    supervise: Supervise, operator: Operator, tmp_path: Path, argv: list[str], code: int, message: str
) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "plain").write_text("not executable")
    for name, text in (("garbage", "\x7f garbage"), ("orphan", "#!/no/such/interpreter\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    in_folder = ("env", f"--chdir={folder}")
    container = supervise(argv, operator=operator, prefix=in_folder, restartGraceSeconds=0)
    exited = operator.wait("exited")
    assert (exited["exitCode"], exited["signal"], exited["generation"]) == (code, None, 0)
    assert message in exited["log"]
    assert operator.states() == ["exited"]
    assert container.wait() == code
    assert f"kubernel: {exited['log']}" in container.output()


def test_missing_configuration_is_explained(supervise: Supervise) -> None:
    container = supervise(["true"], env={"KUBERNEL_KEY": ""}, prefix=("env", "-u", "KUBERNEL_CONFIG"))
    assert container.wait() == 2
    assert container.output().startswith("kubernel: KUBERNEL_CONFIG, KUBERNEL_KEY or KUBERNEL_POD_IPS is missing")


def test_sigterm_ends_kernel_and_container(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    os.kill(container.pid, signal.SIGTERM)
    exited = operator.wait("exited")
    assert (exited["signal"], exited["reason"]) == (signal.SIGTERM, "Terminated")
    assert container.wait() == 128 + signal.SIGTERM


def test_kernel_that_sends_sigterm_to_itself_was_not_terminated(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    supervise(kernel("os.kill(os.getpid(), signal.SIGTERM); signal.pause()"), operator=operator)
    exited = operator.wait("exited")
    assert (exited["signal"], exited["reason"]) == (signal.SIGTERM, None)


def test_after_sigterm_the_address_stays_for_a_moment(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    """Its ports refuse connections; those to an address that is gone would hang."""
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    os.kill(container.pid, signal.SIGTERM)
    operator.wait("exited")
    assert container.request("status")["state"] == "exited"


def test_sigterm_gives_the_kernel_time_for_its_last_words(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(
        kernel("signal.signal(signal.SIGTERM, lambda *_: sys.exit('saved')); serve()"), operator=operator
    )
    operator.wait("running")
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 1
    assert container.output() == "saved\n"


def test_sigterm_during_the_grace_ends_the_container_at_once(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("sys.exit(9)"), operator=operator, restartGraceSeconds=3600)
    operator.wait("exited")
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 9


STUBBORN = "signal.signal(signal.SIGTERM, lambda *_: print('never', flush=True)); serve()"


def test_second_sigterm_kills(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel(STUBBORN), operator=operator)
    operator.wait("running")
    os.kill(container.pid, signal.SIGTERM)
    container.wait_for_output("never")
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 128 + signal.SIGKILL


def test_sigterm_that_the_kernel_ignores_becomes_sigkill(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel(STUBBORN), operator=operator)
    operator.wait("running")
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 128 + signal.SIGKILL


def test_sigint_is_passed_on(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("signal.signal(signal.SIGINT, lambda *_: sys.exit(4)); serve()"), operator=operator)
    operator.wait("running")
    os.kill(container.pid, signal.SIGINT)
    assert operator.wait("exited")["exitCode"] == 4


# ---- As PID 1.


def test_as_pid_1_it_ends_on_sigterm(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    container = supervise(kernel("serve()"), operator=operator, prefix=pid_namespace)
    operator.wait("running")
    assert container.request("status")["pid"] != 1
    os.kill(container.pid, signal.SIGTERM)
    assert container.wait() == 128 + signal.SIGTERM


def test_as_pid_1_it_reaps_orphans(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    body = """
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.05)
        os._exit(0)
    os.wait()
print('orphans made', flush=True)
serve()
"""
    container = supervise(kernel(body), operator=operator, prefix=pid_namespace)
    operator.wait("running")
    container.wait_for_output("orphans made")
    assert eventually(lambda: len(children(container.pid)) == 1, "only the kernel left")


def test_as_pid_1_nothing_outlives_it(
    supervise: Supervise, kernel: Kernel, operator: Operator, pid_namespace: tuple[str, ...]
) -> None:
    body = "subprocess.Popen(['sleep', '1000'], start_new_session=True); serve()"
    container = supervise(kernel(body), operator=operator, prefix=pid_namespace)
    operator.wait("running")
    everyone = descendants(container.process.pid)
    assert len(everyone) == 3
    container.request("stop")
    container.wait()
    assert [pid for pid in everyone if Path(f"/proc/{pid}").exists()] == []
