"""What a page is told, in words: lines that a notebook neither breaks nor cuts, in a window of 1200 pixels."""

from __future__ import annotations

import textwrap

COLUMNS = 92


def wrapped(text: str) -> list[str]:
    """Lines that fit; a word that is longer, such as a path, is kept whole."""
    lines: list[str] = []
    for line in text.splitlines():
        lines += textwrap.wrap(line, COLUMNS, break_long_words=False, break_on_hyphens=False) or [""]
    return lines


def ended(text: str, *, is_over: bool) -> str:
    """How a kernel ended; the dialog of one that is restarted says so itself."""
    what = text[:1].upper() + text[1:].rstrip(".")
    return f"{what}. It does not come back by itself: start a new kernel." if is_over else f"{what}."


def starting(seconds: float, reason: str, message: str) -> str:
    """What a kernel that starts waits for, and for how long it has: ``Kernel is starting, 0:13: no room``."""
    minutes, rest = divmod(int(seconds), 60)
    why = " ".join((message or reason).split())
    text = f"Kernel is starting, {minutes}:{rest:02}"
    return "\n".join(wrapped(f"{text}: {why}" if why else text))
