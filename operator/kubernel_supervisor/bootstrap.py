"""The line of shell that starts a kernel's container, and the script that it evaluates: ``bootstrap.sh``.

Script and supervisor travel in the kernel's Secret and reach the container as environment variables, so images need
nothing of ours, and the pod's spec stays readable.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


def bootstrap_args(argv: list[str]) -> list[str]:
    """``args`` of the kernel's container.

    Args:
        argv: the kernel's command with ``{connection_file}`` in it; empty: the kernelspec that KUBERNEL_CONFIG names.
    """
    return ["sh", "-c", 'eval "$KUBERNEL_BOOTSTRAP"', "kubernel", *argv]


@cache
def bootstrap_script() -> str:
    """``bootstrap.sh`` without its comments and indentation: the value of KUBERNEL_BOOTSTRAP."""
    text = Path(__file__).with_name("bootstrap.sh").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#")) + "\n"
