"""What a page is told of a kernel that starts."""

from __future__ import annotations

from kubernel_provisioner.launch.explaining import OVER
from kubernel_provisioner.words import wrapped


def not_back(why: str) -> str:
    """What a cell is told whose kernel was restarted, and ended at once."""
    return f"It was restarted, and does not come back:\n{why}"


GAP = "The connection to the kernel was lost for a while. Output of that time may be missing here."
LOST = (
    "The connection to the kernel was lost for a while. How this cell ended did not arrive, nor what it printed then. "
    "The kernel is there, with its variables."
)


def ended_unseen(why: str) -> str:
    """What the next cell is told of a kernel that ended while no page was connected. It runs in another one already."""
    why = "\n".join(line for line in why.splitlines() if line != OVER)
    return f"This notebook's kernel ended while no page was open, and its variables are lost:\n{why}"


def starting(seconds: float, reason: str, message: str) -> str:
    """What a kernel that starts waits for, and for how long it has: ``Kernel is starting, 0:13: no room``."""
    minutes, rest = divmod(int(seconds), 60)
    why = " ".join((message or reason).split())
    text = f"Kernel is starting, {minutes}:{rest:02}"
    return "\n".join(wrapped(f"{text}: {why}" if why else text))
