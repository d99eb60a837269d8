"""Waits for something to become true."""

import time
from collections.abc import Callable

from cluster.errors import ClusterError

READY_SECONDS = 90.0  # 3 to 9 s here; a machine that builds images at the same time needs patience
POLL_SECONDS = 0.05


def wait_until(what: str, check: Callable[[], bool], guard: Callable[[], None] = lambda: None) -> None:
    """Waits for the check to hold.

    Args:
        what: what is waited for, as a person would call it.
        check: whether it is there.
        guard: raises ClusterError once it is clear that it never will be.

    Raises:
        ClusterError: it is not there in time.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not check():
        guard()
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not ready after {READY_SECONDS:.0f} s; see `python3 tests/cluster status`")
        time.sleep(POLL_SECONDS)
