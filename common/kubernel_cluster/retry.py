"""When a request that met no answer, or none that counts, is sent again. Pure, but for the dice."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .errors import ApiUnavailableError

DELAYS_SECONDS = (0.1, 0.4, 1.0, 2.0, 4.0, 5.0)
JITTER = 0.25
# Whoever is told to come back later than that does not believe it: a proxy may say an hour, and kernels wait.
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class Patience:
    """How long somebody waits.

    Args:
        absent: seconds after which an API server that cannot be reached is not asked again.
        busy: the same for one that answers 429 or 5xx.
    """

    absent: float
    busy: float

    def delay(
        self, attempt: int, elapsed: float, error: ApiUnavailableError, dice: Callable[[], float] = random.random
    ) -> float | None:
        """Seconds until the next attempt; None when there is none.

        Args:
            attempt: how many there were.
            elapsed: seconds since the first one began.
            error: how the last one ended.
            dice: from 0 to 1; whoever failed together must not come back together.
        """
        delay = DELAYS_SECONDS[min(attempt, len(DELAYS_SECONDS)) - 1] * (1 + JITTER * (2 * dice() - 1))
        if error.retry_after is not None:  # the server's wish; never sooner
            delay = max(delay, error.retry_after * (1 + JITTER * dice()))
        limit = self.absent if error.status is None else self.busy
        return delay if elapsed + delay <= limit else None


def wanted_pause(error: BaseException, dice: Callable[[], float] = random.random) -> float:
    """Seconds for which the API server wants to be left alone, and some more; 0.0 when it did not say.

    For those whose own back-off is another one than ``Patience``.

    Args:
        error: what a request ended with.
        dice: from 0 to 1; whoever was told the same must not come back together.
    """
    wanted = error.retry_after if isinstance(error, ApiUnavailableError) else None
    return min(wanted or 0.0, LONGEST_PAUSE_SECONDS) * (1 + JITTER * dice())


#: For those who come back by themselves, such as a work queue.
NONE = Patience(absent=0.0, busy=0.0)
