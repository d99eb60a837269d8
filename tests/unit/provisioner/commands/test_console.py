"""``kubernel console`` with a local kernel whose messages are encrypted."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

from kubernel_provisioner.commands.cli import main

LINES = "x = 6 * 7\nprint('the answer is', x)\nexit\n"


@pytest.fixture
def connection_file(tmp_path: Path) -> Iterator[str]:
    """Of an ipykernel that takes nobody without its keys."""
    path = tmp_path / "kernel.json"
    manager = KernelManager(kernel_name="python3", connection_file=str(path), transport_encryption="required")
    manager.kernel_spec.metadata["supported_encryption"] = ["curve"]
    manager.start_kernel()
    yield str(path)
    manager.shutdown_kernel(now=True)


def test_an_encrypted_kernel(connection_file: str) -> None:
    command = [sys.executable, "-m", "kubernel_provisioner.commands.cli", "console", connection_file, "--simple-prompt"]
    done = subprocess.run(command, input=LINES, capture_output=True, text=True, check=False, timeout=120)
    assert "the answer is 42\n" in done.stdout, done.stderr


def test_it_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "jupyter_console.app", None)
    assert main(["console", "kernel.json"]) == 1
    assert "pip install jupyter-console" in capsys.readouterr().err
