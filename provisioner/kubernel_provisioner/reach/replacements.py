"""Notices that connections to a kernel were replaced. What was on its way over the old ones did not arrive."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import zmq
from zmq.utils.monitor import parse_monitor_message

FIRST_QUESTION_SECONDS = 1.0


class Replacements:
    """Watches ZMQ sockets for as long as it is entered.

    Args:
        sockets: each connects to one address, and again by itself.
    """

    def __init__(self, *sockets: Any) -> None:
        self._sockets = sockets
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

    Questions and answers may be lost, too, so it is asked again, each time after twice as long. A kernel answers in the
    order of the questions: one that is answered settles those before it, whose answers were lost.
    """

    def __init__(self) -> None:
        self._at: float | None = None
        self._pause = FIRST_QUESTION_SECONDS
        self._cells: dict[str, frozenset[str]] = {}  # by question that is not answered: the cells sent before it
        self._replies: list[str] = []  # questions whose replies have not come

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

    def asked(self, msg_id: str, cells: frozenset[str]) -> None:
        """It was asked.

        Args:
            msg_id: of the request.
            cells: requests that the kernel was sent before.
        """
        self._cells[msg_id] = cells
        self._replies.append(msg_id)

    def answered(self, msg_id: str) -> frozenset[str] | None:
        """The kernel has done what has this id: the requests that it had done before; None: it was no question."""
        done = self._cells.get(msg_id)
        if done is not None:
            self._at = None
            settled = list(self._cells)
            for each in settled[: settled.index(msg_id) + 1]:
                del self._cells[each]
        return done

    @property
    def awaits_reply(self) -> bool:
        """Whether a reply is to come, or was lost."""
        return bool(self._replies)

    def is_reply(self, msg_id: str) -> bool:
        """Whether a reply to what has this id is for us, and not for the page; once for each question."""
        if msg_id not in self._replies:
            return False
        del self._replies[: self._replies.index(msg_id) + 1]
        return True
