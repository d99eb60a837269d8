"""Joins the supervisor's modules into the one text that travels in a kernel's Secret.

Nothing may come between the container's start and the kernel's, so there are two stages: the modules of the first one
start the kernel, and those of the second are compiled (15 ms) while it boots. All of them share one namespace, which
takes the place of their imports of each other. Each keeps its file name and its line numbers, so a traceback in a
container's log says where it comes from.
"""

from __future__ import annotations

import ast
import base64
import io
import tokenize
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .bootstrap import plain_script

#: In this order: a module comes after those that it imports.
FIRST_STAGE = (
    "start/console",
    "start/settings",
    "start/procfs",
    "start/protection",
    "start/connection_file",
    "start/programs",
    "start/kernelspecs",
    "start/environment",
    "start/launch",
    "start/first_stage",
)
SECOND_STAGE = (
    "run/loop",
    "run/kernel_state",
    "run/callbacks",
    "run/sockets",
    "run/readiness",
    "run/control_requests",
    "run/control_server",
    "run/captured",
    "run/output",
    "memory/usage",
    "memory/freezer",
    "memory/cpu_alarm",
    "memory/same_cpu",
    "memory/memory_guard",
    "memory/kernel_memory",
    "run/activity",
    "run/idle_timeout",
    "fork/processes",
    "fork/forks",
    "run/operations",
    "run/supervisor",
)

#: The zygote's program. Nothing that it imports comes from the working directory, as in ipykernel_launcher.
ZYGOTE = ("fork/imported", "fork/spare", "fork/zygote")
_WITHOUT_FOLDER = 'import sys\nif "" in sys.path: sys.path.remove("")\n'

_LOADER = """\
import binascii, zlib
MODULES = zlib.decompress(binascii.a2b_base64("{}")).decode().split("\\0")
while MODULES:
    exec(compile(MODULES.pop(1), MODULES.pop(0), "exec"))
"""


@cache
def supervisor_source() -> str:
    """The supervisor as Python text, compressed: the value of KUBERNEL_SUPERVISOR.

    ``plain.sh`` goes before it, as a string that Python does nothing with: one text has one digest.
    """
    modules = [
        *((f"{name}.py", shipped(name)) for name in FIRST_STAGE),
        ("bundle", "STARTED = first_start()"),
        *((f"{name}.py", shipped(name)) for name in SECOND_STAGE),
        ("bundle", f"supervise(*STARTED, {zygote_source()!r})"),
    ]
    joined = "\0".join(f"kubernel_supervisor/{name}\0{text}" for name, text in modules)
    plain = f"r'''{plain_script()}'''\n"
    return plain + _LOADER.format(base64.b64encode(zlib.compress(joined.encode(), 9)).decode())


def zygote_source() -> str:
    """The program of a zygote, which runs in the kernel's own Python."""
    return _WITHOUT_FOLDER + "".join(map(shipped, ZYGOTE)) + "run()\n"


def shipped(module: str) -> str:
    """A module without comments, docstrings, annotations, and imports of other modules; its lines keep their numbers.

    Its name is that of its file here, e.g. ``start/console``.

    They are indented by one space where the module has four, which must have no string of several lines.

    Raises:
        ValueError: an import could not be replaced by the shared namespace.
    """
    source = (Path(__file__).parent / f"{module}.py").read_text(encoding="ascii")
    lines = [list(line) for line in source.splitlines()]  # of characters, so that every position stays true meanwhile
    for first, start, last, end, replacement in [*_comments(source), *_superfluous(ast.parse(source), source)]:
        for row in range(first, last + 1):
            begin, until = start if row == first else 0, end if row == last else len(lines[row - 1])
            lines[row - 1][begin:until] = [""] * (until - begin)
        if replacement:
            lines[first - 1][start] = replacement
    texts = ["".join(line).rstrip() for line in lines]
    return "\n".join(" " * ((len(t) - len(t.lstrip(" "))) // 4) + t.lstrip(" ") for t in texts).rstrip() + "\n"


#: First line, first column, last line, end column (in characters), and what takes its place.
_Span = tuple[int, int, int, int, str]


def _comments(source: str) -> Iterator[_Span]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield (*token.start, *token.end, "")


def _superfluous(tree: ast.Module, source: str) -> Iterator[_Span]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            yield _span(node.body[0], '""')
        if isinstance(node, ast.ImportFrom) and (node.level or str(node.module).startswith("kubernel_supervisor.")):
            if node.level > 1 or not node.module or any(name.asname for name in node.names):
                raise ValueError(f"line {node.lineno}: only `from .module import name` can be bundled")
            yield _span(node, "")
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield _span(node, "")
        if isinstance(node, ast.arg) and node.annotation is not None:
            row, start = node.lineno, node.col_offset + len(node.arg)
            yield row, start, node.annotation.end_lineno or row, node.annotation.end_col_offset or start, ""
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            returns = node.returns
            arrow = source.splitlines()[returns.lineno - 1].rindex("->", 0, returns.col_offset)
            yield returns.lineno, arrow, returns.end_lineno or returns.lineno, returns.end_col_offset or arrow, ""


def _span(node: ast.stmt, replacement: str) -> _Span:
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or 0, replacement
