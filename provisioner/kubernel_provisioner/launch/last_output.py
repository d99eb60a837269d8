"""What a kernel printed before it died, in as many lines as a cell has room for. Pure."""

from __future__ import annotations

LINES = 30
_DUMP, _CURRENT = "Fatal Python error: ", "Current thread 0x"
# Below it are the frames that called the cell, the same for each of them.
_CALLS_THE_CELL = "/IPython/core/interactiveshell.py"


def shortened(text: str) -> str:
    """The last lines; of the stacks of Python's faulthandler those of the thread that crashed."""
    lines = text.rstrip().splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(_CURRENT)), None)
    if start is None:
        return "\n".join(lines[-LINES:])
    dump = next((number for number, line in enumerate(lines[:start]) if line.startswith(_DUMP)), None)
    before = [] if dump is None else lines[: dump + 1]  # the dump's beginning may be lost
    stack = _frames(lines[start + 1 :])
    return "\n".join([*before[-LINES // 2 :], lines[start], *stack[: LINES // 2]])


def _frames(lines: list[str]) -> list[str]:
    """The frames of one thread, the last call first, down to the cell's."""
    frames = []
    for line in lines:
        if not line.strip() or _CALLS_THE_CELL in line:
            break
        frames.append(line)
    return frames
