"""Tells the server's log what a start is waiting for."""

from __future__ import annotations

import logging
from collections.abc import Callable

# People look at a log after about a minute; nbclient and papermill show warnings only.
WARN_AFTER_SECONDS = 60.0
WARN_EVERY_SECONDS = 30.0


class Narrator:
    """Logs each new reason once, and a warning when it takes long.

    Args:
        log: where to.
        subject: what starts, e.g. "Kernel jupyter/k-1".
        clock: monotonic seconds.
    """

    def __init__(self, log: logging.Logger, subject: str, clock: Callable[[], float]) -> None:
        self._log, self._subject, self._clock = log, subject, clock
        self._began = clock()
        self._warn_after = WARN_AFTER_SECONDS
        self._heard: set[str] = set()

    @property
    def seconds(self) -> float:
        """Since the start began."""
        return self._clock() - self._began

    @property
    def next_warning(self) -> float:
        """Seconds from now until ``still_waiting`` has something to say."""
        return max(0.0, self._warn_after - self.seconds)

    def heard(self, reason: str, message: str) -> None:
        """Logs a reason that is new."""
        if reason in self._heard:
            return
        self._heard.add(reason)
        self._log.info("%s: %s", self._subject, ": ".join(word for word in (reason, message) if word))

    def still_waiting(self, reason: str, message: str) -> None:
        """Logs a warning when one is due."""
        if self.seconds < self._warn_after:
            return
        self._warn_after += WARN_EVERY_SECONDS
        text = ": ".join(word for word in (reason, message) if word)
        self._log.warning("%s is still starting after %d s: %s", self._subject, self.seconds, text)

    def warn_once(self, text: str) -> None:
        """Logs a warning that is new."""
        if text not in self._heard:
            self._heard.add(text)
            self._log.warning("%s: %s", self._subject, text)
