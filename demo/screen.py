"""What the demo prints: headings with the time, commands, and indented text; in colour on a terminal."""

import os
import sys
import time

_BEGAN = time.monotonic()
_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BOLD, FAINT, GREEN, CYAN = "1", "2", "32", "36"


def heading(text: str) -> None:
    """A part of the demo."""
    print(f"\n{coloured(BOLD, f'== {text}')}  ({time.monotonic() - _BEGAN:.0f} s)", flush=True)


def command(text: str) -> None:
    """A command that a person would type."""
    show(coloured(CYAN, f"$ {text}"))


def note(text: str) -> None:
    """A sentence about what happens."""
    show(coloured(FAINT, f"# {text}"))


def show(text: str) -> None:
    """Anything else."""
    for line in text.rstrip().splitlines():
        print(f"   {line}", flush=True)


def cell(source: str, output: str) -> None:
    """A notebook cell and what it said."""
    show(f"{coloured(CYAN, 'In: ')} " + source.replace("\n", "\n     "))
    show(f"{coloured(GREEN, 'Out:')} {shortened(output)}")


def shortened(text: str, width: int = 110) -> str:
    """On one line, with the middle left out where it is too long."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width // 2]} ... {line[-width // 2 :]}"


def coloured(colour: str, text: str) -> str:
    """The text in that colour, where there are colours."""
    return f"\033[{colour}m{text}\033[0m" if _COLOUR else text
