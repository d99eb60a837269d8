"""The operator's own clock: set once, by the API server's, and never again by anybody."""

from __future__ import annotations

import time


class SteadyClock:
    """Unix seconds.

    What an operator writes into a status is read by its successor on another machine, so both go by a third clock.
    Steps of any clock while this process runs do not count: one of an hour would be the end of every start, and one
    backward would stop all deadlines.
    """

    def __init__(self, now: float) -> None:
        """``now``: what the API server's clock says, in Unix seconds."""
        self._offset = now - time.monotonic()

    def __call__(self) -> float:
        """What that clock would say now."""
        return self._offset + time.monotonic()
