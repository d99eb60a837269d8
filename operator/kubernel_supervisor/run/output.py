"""The kernel's output, on its way to the container's log."""

import os
import select
import time

from .captured import Captured
from .kernel_state import LOG_LIMIT
from .loop import Loop

LAST_OUTPUT_LIMIT = 12288  # bytes: the stacks of all threads, as Python's faulthandler writes them, are some 8 KiB
TAIL_LIMIT = 16384  # bytes kept, of which the limits above are told: secrets in them become shorter
# What was printed so long before a kernel's end, or before what it printed last, has nothing to do with it.
STALE_SECONDS = 60.0
LONGEST_SECRET = 64
PIPE_ATOMIC = 4096  # PIPE_BUF on Linux: so much can be written without blocking when poll says POLLOUT


def has_room(sink: int) -> bool:
    """Whether a piece can be written there without blocking."""
    room = select.poll()
    room.register(sink, select.POLLOUT)
    return bool(room.poll(0))


class Relay:
    """Passes the kernel's stdout and stderr on to ours, unchanged, and remembers the last lines.

    It reads only what it can write without blocking: a container log that is stuck holds up the kernel's prints, as
    without us, but never an interrupt. It passes 110 MB/s (a bare pipe: 1 GB/s), more than a container's log takes.
    """

    def __init__(self, loop: Loop, pipes: "tuple[tuple[int, int], ...]", secrets: "list[str]") -> None:
        self._loop, self._secrets = loop, []  # type: tuple[Loop, list[str]]
        self.hide(secrets)
        self._sources = ((pipes[0][0], 1), (pipes[1][0], 2))
        self._captured = Captured(loop, pipes, self._initialised)
        self.forget()
        for source, sink in self._sources:
            os.set_blocking(source, False)
            self._await_output(source, sink)

    def hide(self, secrets: "list[str]") -> None:
        """No tail will show these; "" is none."""
        self._secrets += filter(None, secrets)

    def _await_output(self, source: int, sink: int) -> None:
        self._loop.watch(source, lambda: self._await_room(source, sink))

    def _await_room(self, source: int, sink: int) -> None:
        if not self._pass(source, sink):
            self._loop.forget(source)
            self._loop.watch(sink, lambda: self._resume(source, sink), select.POLLOUT)

    def _resume(self, source: int, sink: int) -> None:
        self._loop.forget(sink)
        self._await_output(source, sink)

    def _pass(self, source: int, sink: int) -> bool:
        """Passes one piece on; False when the sink has no room."""
        if not has_room(sink):
            return False
        try:
            piece = os.read(source, PIPE_ATOMIC)
        except BlockingIOError:
            return True
        self._take(sink, piece)
        return True

    def _take(self, sink: int, piece: bytes) -> None:
        if self._is_stale:
            self.forget()
        self._tails[sink] = (self._tails[sink] + piece)[-TAIL_LIMIT:]
        self._said_at = time.monotonic()
        try:
            os.write(sink, piece)
        except OSError:
            pass  # nobody reads the log any more; the kernel goes on

    @property
    def _is_stale(self) -> bool:
        return time.monotonic() - self._said_at > STALE_SECONDS

    def drain(self) -> None:
        """Passes on what a process that has ended left in the pipes, and in its own."""
        self._pass_all()
        for sink, rest in self._captured.rest():
            for start in range(0, len(rest), PIPE_ATOMIC):
                if has_room(sink):
                    self._take(sink, rest[start : start + PIPE_ATOMIC])

    def _pass_all(self) -> None:
        for source, sink in self._sources:
            waiting = select.poll()
            waiting.register(source, select.POLLIN)
            while waiting.poll(0) and self._pass(source, sink):
                pass

    def forget(self) -> None:
        """A new kernel process starts, or has started: earlier lines are not its, or those of its start."""
        self._tails = {sink: b"" for _, sink in self._sources}
        self._said_at = time.monotonic()

    def works(self, pid: int) -> None:
        """The kernel is ready: what it has printed so far is of its start, and no last output any more."""
        self.forget()
        self._captured.look_for(pid)

    def _initialised(self) -> None:
        """An ipykernel has something to say after its ports accept."""
        self._pass_all()
        self.forget()

    def tail(self, limit: int = LOG_LIMIT) -> str:
        """The last lines, at most 2 KiB, without secrets: of stdout, as far as stderr leaves room, and of stderr.

        In which order a process wrote into two pipes nobody can tell; why it crashed mostly stands in stderr.
        """
        errors = self._last_lines(2, limit)
        return (self._last_lines(1, limit - len(errors)) + errors).decode("utf-8", "ignore")

    def last_output(self) -> str:
        """What a kernel that has just ended printed in its last minute, without secrets: its user's, so no status'."""
        return "" if self._is_stale else self.tail(LAST_OUTPUT_LIMIT)

    def _last_lines(self, sink: int, limit: int) -> bytes:
        tail = self._tails[sink]
        first = LONGEST_SECRET if len(tail) == TAIL_LIMIT else 0  # perhaps a secret was cut through
        for secret in self._secrets:
            tail = tail.replace(secret.encode(), b"[secret]")
        first = max(first, len(tail) - limit)
        rest = tail[first:]
        return rest.partition(b"\n")[2] or rest if first else rest
