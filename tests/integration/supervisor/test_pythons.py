"""The supervisor in every Python that images bring: its unit tests, and a whole life of a kernel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path

import pytest

from fixtures.supervisors import Kernel, Operator, Supervise

REPOSITORY = Path(__file__).parents[3]
OLDEST, NEWEST = 6, 13


@cache
def interpreter(minor: int) -> str | None:
    """The path of python3.MINOR, from PATH or pyenv."""
    name = f"python3.{minor}"
    pyenv = sorted(Path(os.environ.get("PYENV_ROOT", "/nowhere"), "versions").glob(f"3.{minor}.*/bin/{name}"))
    for path in [*map(str, pyenv), shutil.which(name)]:
        if path and subprocess.run([path, "-S", "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    return None


@pytest.fixture(params=range(OLDEST, NEWEST + 1), ids=lambda minor: f"python3.{minor}")
def python(request: pytest.FixtureRequest) -> str:
    """Each interpreter that there is."""
    path = interpreter(request.param)
    if path is None:
        pytest.skip(f"no python3.{request.param} on PATH or in pyenv: the supervisor is NOT tested with it")
    return path


def test_unit_tests(python: str) -> None:
    command = [python, "-W", "error", "-m", "unittest", "discover", "-s", "tests/unit/supervisor"]
    environment = {**os.environ, "PYTHONPATH": "operator:tests", "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "\nOK" in run.stderr


def test_life_of_a_kernel(
    supervise: Supervise,
    kernel: Kernel,
    operator: Operator,
    pid_namespace: tuple[str, ...],
    tmp_path: Path,
    python: str,
) -> None:
    (tmp_path / "python3").symlink_to(python)
    container = supervise(
        kernel("subprocess.Popen(['sleep', '1000']); serve()"),
        operator=operator,
        prefix=pid_namespace,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        restartGraceSeconds=0.1,
        idleTimeoutSeconds=3600,
    )
    operator.wait("running", generation=0, idleTimeoutSeconds=3600)
    container.request("restart", generation=1)
    operator.wait("running", generation=1)
    container.request("signal", signum=signal.SIGKILL)
    assert container.wait() == 128 + signal.SIGKILL
    assert container.output() == ""  # no warning of any version
    assert operator.wait("exited", generation=1)["signal"] == signal.SIGKILL


def test_a_traceback_says_where_it_comes_from(supervise: Supervise) -> None:
    """What is shipped has been joined and compressed."""
    container = supervise(["true"], env={"KUBERNEL_CONFIG": "pod=p\n"})
    assert container.wait() == 1
    lines = (REPOSITORY / "operator/kubernel_supervisor/start/settings.py").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if 'values["secret"]' in text)
    assert f'File "kubernel_supervisor/start/settings.py", line {line}, in __init__' in container.output()
