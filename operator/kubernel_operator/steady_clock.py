"""The operator's own clock: durations count from when something was seen here, whatever other machines' clocks say."""

from __future__ import annotations

import time

_STARTED = time.time() - time.monotonic()


def steady_clock() -> float:
    """Unix seconds when this process started, and what has passed since: steps of the system's clock do not count.

    A step forward of an hour would otherwise be the end of every start, and one backward would stop all deadlines.
    """
    return _STARTED + time.monotonic()
