"""One thread, one loop: waits for file descriptors and moments."""

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """Waits for file descriptors and moments, and calls what was asked for."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._actions = {}  # type: dict[int, Callable[[], None]]
        self._timers = {}  # type: dict[object, tuple[float, Callable[[], None]]]

    def watch(self, fd: int, action: "Callable[[], None]", events: int = select.POLLIN) -> None:
        """Calls ``action`` whenever ``fd`` is ready; replaces an earlier watch."""
        self._poll.register(fd, events)
        self._actions[fd] = action

    def forget(self, fd: int) -> None:
        """Ends a watch."""
        if self._actions.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def later(self, name: object, seconds: float, action: "Callable[[], None]") -> None:
        """Calls ``action`` once after this many seconds; replaces an earlier timer of that name."""
        self._timers[name] = (time.monotonic() + seconds, action)

    def cancel(self, name: object) -> None:
        """Ends a timer."""
        self._timers.pop(name, None)

    def turn(self) -> None:
        """Waits for the next thing to do and does it."""
        soonest = min((moment for moment, _ in self._timers.values()), default=None)
        wait = None if soonest is None else max(0.0, soonest - time.monotonic()) * 1000
        ready = self._poll.poll(wait)
        # What becomes due while the actions run waits for the next turn: on a busy machine a peer's line may have come
        # in that time, and is to be read before the peer is given up.
        now = time.monotonic()
        for fd, _ in ready:
            action = self._actions.get(fd)
            if action is not None:  # an action before it may have ended this watch
                action()
        for name in [name for name, (moment, _) in self._timers.items() if moment <= now]:
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer[1]()
