"""The line of shell that starts a kernel's container, and the two scripts that it evaluates.

``bootstrap.sh`` travels in the pod's own Secret; ``plain.sh``, with the supervisor, in a ConfigMap that the kernels of
a namespace share. Both reach the container as environment variables, so images need nothing of ours, and the pod's spec
stays readable.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

# 128 bits: what another text with the same digest would have to be found for.
DIGEST_BYTES = 16


def bootstrap_args(argv: list[str]) -> list[str]:
    """``args`` of the kernel's container.

    Args:
        argv: the kernel's command with ``{connection_file}`` in it; empty: the kernelspec that KUBERNEL_CONFIG names.
    """
    return ["sh", "-c", 'eval "$KUBERNEL_BOOTSTRAP"', "kubernel", *argv]


@cache
def bootstrap_script(supervisor: str) -> str:
    """``bootstrap.sh``: the value of KUBERNEL_BOOTSTRAP.

    Args:
        supervisor: the text that it executes, and no other.
    """
    script = _shipped("bootstrap.sh").replace("@DIGEST@", supervisor_digest(supervisor))
    return script.replace("@SHA256@", hashlib.sha256(supervisor.encode()).hexdigest())


def plain_script() -> str:
    """``plain.sh``, which has nothing that ends a raw string of Python."""
    return _shipped("plain.sh")


def _shipped(name: str) -> str:
    """A script without its comments and indentation."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#")) + "\n"


@cache
def supervisor_digest(supervisor: str) -> str:
    """What tells one supervisor from another: 32 hexadecimal characters."""
    return hashlib.blake2b(supervisor.encode(), digest_size=DIGEST_BYTES).hexdigest()
