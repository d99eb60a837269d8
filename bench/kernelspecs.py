"""Kernelspecs of the contenders, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LOCAL = "bench-local"


def install_ours(prefix: Path, name: str, namespace: str, image: str, *, service: str) -> None:
    """One whose kernels run on the cluster."""
    options = ["--name", name, "--display-name", name, "--image", image, "--namespace", namespace]
    command = [Path(sys.executable).with_name("kubernel"), "install", *options, "--service", service]
    subprocess.run([*command, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    _look_in(prefix)


def install_local(prefix: Path) -> None:
    """The local Python, named ``LOCAL``."""
    command = [sys.executable, "-m", "ipykernel", "install", "--prefix", str(prefix), "--name", LOCAL]
    subprocess.run(command, check=True, capture_output=True)
    _look_in(prefix)


def _look_in(prefix: Path) -> None:
    os.environ["JUPYTER_PATH"] = str(prefix / "share" / "jupyter")
