"""The one benchmark that plays the operator's part: what it plays must be what the client expects."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench"


@pytest.mark.usefixtures("operator")
def test_idle_kernels() -> None:
    """It was broken and nobody knew: clients had come to make their Secrets themselves, and to encrypt."""
    command = [sys.executable, BENCH / "idle_server.py", "--kernels=2", "--rounds=1", "--seconds=1"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("2 idle kernels in one server process")
    assert "API requests of ours: 0.0 a minute, goal at most 0.0 a minute: kept" in run.stdout
