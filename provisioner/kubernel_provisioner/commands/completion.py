"""Completion of the command line in bash, zsh, fish and kubectl; argcomplete knows how each shell asks."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from .arguments import Commands, cluster_key, say

SHELLS = ("bash", "zsh", "fish")
# What kubectl reads at the end: offer no names of files. See the documentation of cobra, which it is made with.
NO_FILES = ":4"
EPILOG = """\
in ~/.bashrc:                  source <(kubernel completion bash)
in ~/.zshrc:                   source <(kubernel completion zsh)
in ~/.config/fish/config.fish: kubernel completion fish | source
`kubectl kernel` is completed where kubectl's own completion is on.
"""


def add_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    """The parser."""
    completion = commands.add_parser(
        "completion",
        help="print a shell's code that completes commands, options and names",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(run=_print_code)


def _print_code(arguments: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    say(shellcode(["kubernel"], shell=arguments.shell))
    return 0


def complete(
    parser: argparse.ArgumentParser, exit_: Callable[[int], Any] = os._exit, out: TextIO | None = None
) -> None:
    """Answers a shell that asks for completions, and ends the process; returns when none does."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete
        from argcomplete.completers import ChoicesCompleter

        nothing = ChoicesCompleter({})  # and no names of files, where none is asked for
        argcomplete.autocomplete(parser, exit_method=exit_, output_stream=out, default_completer=nothing)


def complete_for_kubectl(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """What fits the last of the words behind ``kubectl kernel``."""
    line = " ".join(["kubernel", *words])
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    os.environ.update(asked, COMP_LINE=line, COMP_POINT=str(len(line)), COMP_TYPE="9")
    out = io.StringIO()
    complete(parser, lambda _: None, out)
    return out.getvalue().split("\n")


def kernel_names(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Names of the kernels in the namespace that the command line names."""
    from .kernels import list_kernels

    try:
        return [item["metadata"]["name"] for item in asyncio.run(list_kernels(cluster_key(parsed_args)))]
    except Exception:  # nobody wants to read an error in the middle of a line
        return []


def kernelspec_names(**_: Any) -> list[str]:
    """Names of the kernelspecs that can be changed."""
    from .kernelspec import list_installed

    return [spec.name for spec in list_installed()]


def main() -> int:
    """``kubectl_complete-kernel``: kubectl runs it with the words behind ``kubectl kernel``."""
    from .cli import make_parser

    for line in [*complete_for_kubectl(make_parser(), sys.argv[1:]), NO_FILES]:
        if line:
            say(line)
    return 0
