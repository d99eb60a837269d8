"""How often something may happen: a burst, and then so many a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Bucket:
    """A token bucket, full at first.

    Attributes:
        size: how many at once.
        per_second: how many tokens come back each second.
    """

    size: float
    per_second: float
    _used: float = 0.0
    _at: float = 0.0

    def take(self, now: float) -> bool:
        """Takes a token; False when there is none. ``now``: seconds of a clock that never goes back."""
        self._used = max(0.0, self._used - (now - self._at) * self.per_second)
        self._at = now
        if self._used + 1 > self.size:
            return False
        self._used += 1
        return True
