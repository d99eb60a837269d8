"""Text for people, in lines that JupyterLab's dialog and a notebook's cell show whole: neither breaks a line. Pure."""

from __future__ import annotations

import re
import textwrap

#: What fits into a cell's output in a window of 1200 pixels; the dialog has room for ten more.
COLUMNS = 92

_UUID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+|['"]""")
_INDENT = "    "


def wrapped(text: str) -> list[str]:
    """Lines that fit; a word that is longer, such as a path, is kept whole."""
    lines: list[str] = []
    for line in text.splitlines():
        lines += textwrap.wrap(line, COLUMNS, break_long_words=False, break_on_hyphens=False) or [""]
    return lines


def command_lines(label: str, command: str) -> list[str]:
    """``Try: kubectl ...``, continued as a shell does, so that it can be pasted; quoted words stay whole."""
    lines, line = [], f"{label}:"
    for word in _WORD.findall(command):
        if len(line) + 1 + len(word) + len(" \\") > COLUMNS and line.strip() not in {"", f"{label}:"}:
            lines.append(f"{line} \\")
            line = f"{_INDENT}{word}"
        else:
            line = f"{line} {word}"
    return [*lines, line]


def without_ids(text: str) -> str:
    """With kernels' ids cut to what tells them apart: nobody reads 36 characters, and they push the cause away."""
    return _UUID.sub(r"\1…", text)


def one_line(text: str) -> str:
    """For a log, which is read line by line."""
    return " ".join(text.split())
