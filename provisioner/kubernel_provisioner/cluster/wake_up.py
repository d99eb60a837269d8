"""Notices that this process was not running for a while: a closed lid, a suspended machine, a debugger.

Sleeping machines stop the clock that timers go by, so a Lease would be renewed and a silent watch be given up as if no
time had passed. The clock on the wall goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

LOOK_EVERY_SECONDS = 1.0
# A busy event loop is late, too, and clocks are set.
ABSENT_SECONDS = 5.0

log = logging.getLogger(__name__)


async def on_wake_up(act: Callable[[], None], *, clock: Callable[[], float] = time.time) -> None:
    """Calls ``act`` each time that much more time has passed than this process has noticed; for ever.

    Args:
        act: what to do.
        clock: seconds of a clock that goes on while the machine sleeps.
    """
    while True:
        before = clock()
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        absent = clock() - before - LOOK_EVERY_SECONDS
        if absent > ABSENT_SECONDS:
            log.info("This process was away for %.0f s: the Lease is renewed and kernels are looked at anew", absent)
            act()
