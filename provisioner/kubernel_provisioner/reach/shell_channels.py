"""Shell channels of clients whose connection to a kernel can be lost, and a reply with it.

jupyter_client's own wait for such a reply for ever, and nbclient, papermill and the console with them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty
from typing import Any

from jupyter_client.channels import AsyncZMQSocketChannel, ZMQSocketChannel

from .replacements import Question, Replacements

Message = dict[str, Any]

LOOK_SECONDS = 1.0
NAME = "ConnectionLost"
TEXT = (
    "The connection to the kernel was lost for a while, and with it how this cell ended and what it printed then. "
    "Unless the kernel was restarted, its variables are there."
)


class Requests:
    """Cells of a shell channel whose replies have not come, and what is done about them when their way was lost.

    Other requests are answered at once, or are waited for with a limit.

    Args:
        channel: whose socket is watched.
    """

    def __init__(self, channel: ZMQSocketChannel) -> None:
        self._channel = channel
        self._open: dict[str, Message] = {}  # headers, by id
        self._lost: list[Message] = []
        self._question = Question()
        self._replacements = Replacements(channel.socket)
        self._replacements.__enter__()

    def sent(self, request: Message) -> None:
        """A request goes to the kernel."""
        if request["header"]["msg_type"] == "execute_request":
            self._open[request["header"]["msg_id"]] = request["header"]

    def look(self) -> Message | None:
        """Asks the kernel for a sign when that is due; a reply in the place of one that was lost, if there is one."""
        if self._lost:
            return self._lost.pop(0)
        if self._replacements.seen() and self._open:
            self._question.raise_at(time.monotonic())
        if self._question.is_due(time.monotonic()):
            asked: Any = self._channel.session.send(self._channel.socket, "kernel_info_request")
            self._question.asked(asked["header"]["msg_id"], frozenset(self._open))
        return None

    def received(self, reply: Message) -> bool:
        """Whether a reply is the client's. One to a question tells that earlier requests are done."""
        msg_id = reply["parent_header"].get("msg_id", "")
        self._open.pop(msg_id, None)
        done = self._question.answered(msg_id)
        if done is not None:
            lost = [header for each, header in self._open.items() if each in done]
            self._lost += [self._reply_to(header) for header in lost]
            self._open = {each: header for each, header in self._open.items() if each not in done}
        return not self._question.is_reply(msg_id)

    def _reply_to(self, header: Message) -> Message:
        content = {"status": "error", "ename": NAME, "evalue": TEXT, "traceback": [TEXT], "execution_count": None}
        reply: Message = self._channel.session.msg("execute_reply", content, parent={"header": header})
        return {**reply, "buffers": []}

    def close(self) -> None:
        """The channel is closed."""
        self._replacements.__exit__()


def _waits(timeout: float | None) -> Iterator[float]:
    """Seconds to wait for a message, one time after the other; the last time, when ``timeout`` is over, 0.0."""
    until = math.inf if timeout is None else time.monotonic() + timeout
    while (left := until - time.monotonic()) > 0.0:
        yield min(LOOK_SECONDS, left)
    yield 0.0


class _WithRequests(ZMQSocketChannel):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.requests = Requests(self)

    def send(self, msg: Message) -> None:
        """Passes a request to the kernel."""
        self.requests.sent(msg)
        super().send(msg)

    def close(self) -> None:
        """Closes the channel."""
        self.requests.close()
        super().close()

    stop = close


class BlockingShellChannel(_WithRequests):
    """The shell channel of a client that blocks."""

    def get_msg(self, timeout: float | None = None) -> Message:
        """The next reply; raises ``queue.Empty`` when none comes within ``timeout`` seconds."""
        for seconds in _waits(timeout):
            if (lost := self.requests.look()) is not None:
                return lost
            with suppress(Empty):
                reply: Message = super().get_msg(timeout=seconds)
                if self.requests.received(reply):
                    return reply
        raise Empty


class AsyncShellChannel(_WithRequests, AsyncZMQSocketChannel):
    """The shell channel of an asynchronous client."""

    async def get_msg(self, timeout: float | None = None) -> Message:  # type: ignore[override]  # noqa: ASYNC109
        """The next reply; raises ``queue.Empty`` when none comes within ``timeout`` seconds."""
        for seconds in _waits(timeout):
            if (lost := self.requests.look()) is not None:
                return lost
            with suppress(Empty):
                reply: Message = await AsyncZMQSocketChannel.get_msg(self, timeout=seconds)
                if self.requests.received(reply):
                    return reply
        raise Empty


#: By a client's class of shell channels: the one that knows of lost replies.
CHANNELS: dict[Any, Any] = {ZMQSocketChannel: BlockingShellChannel, AsyncZMQSocketChannel: AsyncShellChannel}
