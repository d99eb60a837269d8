"""The programs that the demo runs, shown as a person would type them."""

import subprocess
import sys
from pathlib import Path

from . import screen


def run_kernel_command(*arguments: str, hidden: tuple[str, ...] = ()) -> None:
    """Runs this project's command ``kubernel`` and shows what it says.

    Args:
        arguments: shown.
        hidden: added without being shown: what is of interest to the demo alone.
    """
    screen.command(" ".join(["kubernel", *arguments]))
    program = Path(sys.executable).with_name("kubernel")
    done = subprocess.run([program, *arguments, *hidden], capture_output=True, text=True, check=False)
    screen.show(done.stdout)
    if done.returncode:
        sys.exit(f"kubernel {arguments[0]} failed:\n{done.stderr}")
