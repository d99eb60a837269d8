"""Notices that connections to a kernel were replaced. What was on its way over the old ones did not arrive."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import zmq
from zmq.utils.monitor import parse_monitor_message

FIRST_QUESTION_SECONDS = 1.0


class Replacements:
    """Watches ZMQ streams for as long as it is entered.

    Args:
        streams: each connects to one address, and again by itself.
    """

    def __init__(self, *streams: Any) -> None:
        self._sockets = [stream.socket for stream in streams]
        self._lost: set[int] = set()
        self._monitors: list[Any] = []

    def __enter__(self) -> Replacements:
        events = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
        self._monitors = [socket.get_monitor_socket(events) for socket in self._sockets]
        return self

    def __exit__(self, *_: object) -> None:
        for socket, monitor in zip(self._sockets, self._monitors, strict=True):
            with suppress(zmq.ZMQError):  # the socket may have been closed
                socket.disable_monitor()
            monitor.close(linger=0)

    def seen(self) -> bool:
        """Whether one was lost and made again since the last call. The first one of all replaces none."""
        is_seen = False
        for number, monitor in enumerate(self._monitors):
            events: zmq.Socket[bytes] = zmq.Socket.shadow(
                monitor
            )  # of an asyncio context's sockets all calls are to be awaited
            while events.poll(0):
                event = parse_monitor_message(events.recv_multipart())["event"]
                if event == zmq.EVENT_DISCONNECTED:
                    self._lost.add(number)
                elif number in self._lost:
                    self._lost.discard(number)
                    is_seen = True
        return is_seen


class Question:
    """When a kernel is to be asked for a sign that it has done all that it was sent. It may be busy for hours.

    Questions and answers may be lost, too, so it is asked again, each time after twice as long.
    """

    def __init__(self) -> None:
        self._at: float | None = None
        self._pause = FIRST_QUESTION_SECONDS

    def raise_at(self, now: float) -> None:
        """Something may have been lost."""
        self._pause = FIRST_QUESTION_SECONDS
        self._at = now + self._pause

    def is_due(self, now: float) -> bool:
        """Whether it is to be asked; each time is told once."""
        if self._at is None or now < self._at:
            return False
        self._pause *= 2
        self._at = now + self._pause
        return True

    def settle(self) -> None:
        """It has answered."""
        self._at = None
