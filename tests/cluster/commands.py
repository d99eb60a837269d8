"""Runs other programs, and turns their failure into an error that shows what they said."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from cluster.errors import ClusterError

TAIL_LINES = 15  # enough for a compiler's or pip's last words, short enough for a terminal
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROBE_SECONDS = 30.0  # `docker info` of an engine that hangs


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Runs a program to its end and returns its standard output.

    Args:
        argv: program and arguments.
        cwd: folder to run in.
        env: variables set on top of our own environment.
        stdin: text to feed; None gives it no input.

    Raises:
        ClusterError: the program is missing or failed.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            check=False,
            cwd=cwd,
            env={**environment(), **(env or {})},
            input=stdin if stdin is not None else "",
            text=True,
            capture_output=True,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{words[0]}: not found; install it and try again") from error
    if done.returncode != 0:
        said = tail(done.stderr or done.stdout)
        raise ClusterError(f"{shlex.join(words)}\nended with code {done.returncode}:\n{said}")
    return done.stdout


def run_visibly(argv: Sequence[str | Path]) -> None:
    """Runs a program that shows its own progress, on standard error, where the rest of ours is.

    Raises:
        ClusterError: the program failed; it has said why.
    """
    words = [str(word) for word in argv]
    done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), env=environment())
    if done.returncode != 0:
        raise ClusterError(f"{shlex.join(words)}: ended with code {done.returncode}, see above")


def succeeds(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> bool:
    """Returns whether the program exists and ends with code 0.

    Args:
        argv: program and arguments.
        env: variables set on top of our own environment.
    """
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            env={**environment(), **(env or {})},
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def become(argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Goes on as another program.

    Args:
        argv: program and arguments.
        env: variables set on top of our own environment.
    """
    sys.stdout.flush()
    os.execvpe(argv[0], list(argv), {**os.environ, **env})


def environment() -> dict[str, str]:
    """Returns our environment with the system's folders on the PATH: a root made by `su` lacks those of ip and nft."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"}


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Returns the last lines of a text."""
    return "\n".join(text.rstrip().splitlines()[-lines:])
