"""One command at a time: tests of several workers, and people in other shells, share one cluster."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.progress import say


@contextmanager
def locked(folder: Path, name: str = "lock") -> Iterator[None]:
    """Lets one command at a time change what lives in a folder; the others wait, and say so.

    Args:
        folder: made when it is missing.
        name: of the lock file in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another `python3 tests/cluster` is at work; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
