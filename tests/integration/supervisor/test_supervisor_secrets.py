"""What user code can find out of the supervisor and its secrets, and whose name it runs under."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fixtures.supervisors import (
    KEY,
    TOKEN,
    Kernel,
    Operator,
    Supervise,
    descendants,
    output_json,
)

SNOOP = (
    f"""
TOKEN, KEY = {TOKEN!r}, {KEY!r}
"""
    + """
found = []
for pid in [int(name) for name in os.listdir('/proc') if name.isdigit()]:
    if pid == os.getpid():
        continue
    for name in ('environ', 'cmdline', 'mem'):
        try:
            if name != 'mem':
                seen = open('/proc/%d/%s' % (pid, name), 'rb').read()
            else:
                seen = b''
                memory = open('/proc/%d/mem' % pid, 'rb', 0)
                for line in open('/proc/%d/maps' % pid):
                    start, end = (int(x, 16) for x in line.split()[0].split('-'))
                    if line.split()[1].startswith('rw'):
                        memory.seek(start)
                        seen += memory.read(end - start)
        except OSError:
            continue
        found += ['%s of %d' % (name, pid) for secret in (TOKEN, KEY) if secret.encode() in seen]
print(json.dumps({"uid": os.getuid(), "found": found, "PID 1": open('/proc/1/comm').read()}))
"""
)


def readable_kernel(argv: list[str]) -> list[str]:
    """With the system's Python, which other users may run."""
    return ["/usr/bin/python3", *argv[1:]]


SYSTEM_PATH = {"PATH": "/usr/bin:/bin"}


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every user may run")
def test_kernel_of_the_same_user_cannot_read_the_token(
    supervise: Supervise, kernel: Kernel, operator: Operator, other_user: tuple[str, ...]
) -> None:
    container = supervise(
        readable_kernel(kernel(SNOOP)), operator=operator, prefix=other_user, env=SYSTEM_PATH, restartGraceSeconds=0
    )
    operator.wait("exited", exitCode=0)
    assert output_json(container) == {"uid": 65534, "found": [], "PID 1": "python3\n"}


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every user may run")
def test_snooping_kernel_would_find_an_unprotected_token(
    supervise: Supervise, kernel: Kernel, other_user: tuple[str, ...], open_path: Path
) -> None:
    """The test above can fail: the same kernel beside a process that does not protect its environment."""
    script = readable_kernel(kernel(SNOOP))
    (open_path / "info.json").write_text("{}")
    careless = f"{' '.join(script[:-1])} {open_path}/info.json; exit 0"
    seen = subprocess.run(
        [*other_user, "dash", "-c", careless],
        env={**SYSTEM_PATH, "KUBERNEL_TOKEN": TOKEN},
        capture_output=True,
        check=True,
        cwd="/",
    ).stdout
    assert json.loads(seen) == {"uid": 65534, "found": ["environ of 1", "mem of 1"], "PID 1": "dash\n"}


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every user may run")
def test_token_is_wiped_from_an_init_in_front(
    supervise: Supervise, kernel: Kernel, operator: Operator, other_user: tuple[str, ...]
) -> None:
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    if yama.exists() and yama.read_text().strip() != "0":
        pytest.skip("Yama protects the memory of parents here, so the token stays in that of an init")
    body = SNOOP.replace("('environ', 'cmdline', 'mem')", "('environ', 'cmdline')")
    init = ("dash", "-c", '"$@"; exit $?', "init")
    container = supervise(
        readable_kernel(kernel(body)),
        operator=operator,
        prefix=(*other_user, *init),
        env=SYSTEM_PATH,
        restartGraceSeconds=0,
    )
    operator.wait("exited", exitCode=0)
    assert output_json(container) == {"uid": 65534, "found": [], "PID 1": "dash\n"}


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every user may run")
@pytest.mark.parametrize(("home", "seen"), [("/", "/tmp"), ("/proc", "/proc"), ("/nowhere", "/nowhere")])
def test_only_the_home_of_an_unknown_user_is_replaced(
    supervise: Supervise, other_user: tuple[str, ...], home: str, seen: str
) -> None:
    """A runtime gives a user without passwd entry HOME=/; any other home may hold settings."""
    env = {**SYSTEM_PATH, "HOME": home}
    container = supervise(["printenv", "HOME"], prefix=other_user, env=env, restartGraceSeconds=0)
    assert container.output() == f"{seen}\n"


def test_user_without_passwd_entry_has_a_name(supervise: Supervise, other_user: tuple[str, ...]) -> None:
    """getpass.getuser() raises KeyError otherwise, and torch calls it."""
    prefix = tuple(word.replace("65534", "471147") for word in other_user)
    container = supervise(["env"], prefix=prefix, env=SYSTEM_PATH, restartGraceSeconds=0)
    assert {"USER=kernel", "LOGNAME=kernel"} <= set(container.output().splitlines())


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every user may run")
def test_memory_ends_the_kernel_of_any_user_before_the_supervisor(
    supervise: Supervise, kernel: Kernel, operator: Operator, other_user: tuple[str, ...]
) -> None:
    """A process that hides its memory, as the supervisor and a child before its exec do, cannot write its own score."""
    body = """
def score(pid):
    return int(open('/proc/%s/oom_score_adj' % pid).read())
while score('self') != min(score(1) + 300, 1000):
    time.sleep(0.01)
serve()
"""
    supervise(readable_kernel(kernel(body)), operator=operator, prefix=other_user, env=SYSTEM_PATH)
    operator.wait("running")


def test_no_secret_in_any_argument_list(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator)
    operator.wait("running")
    for pid in (container.pid, *descendants(container.pid)):
        arguments = Path(f"/proc/{pid}/cmdline").read_text()
        assert KEY not in arguments
        assert TOKEN not in arguments
