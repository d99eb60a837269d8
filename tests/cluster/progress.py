"""One line of progress per step, with the time it took, on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(name: str) -> Iterator[None]:
    """Prints the step's name at once, and its outcome and seconds behind it at the end."""
    print(f"  {name:<44}", end="", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"failed after {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        raise
    print(f"{time.monotonic() - began:6.1f} s", file=sys.stderr, flush=True)


def say(line: str) -> None:
    """Prints a line for people; standard output stays clean for `kubeconfig` and `audit-log`."""
    print(line, file=sys.stderr, flush=True)
