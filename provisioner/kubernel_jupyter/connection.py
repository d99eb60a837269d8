"""A page's websocket to a kernel: accepted while the kernel is pending, and told why one waits or has died."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, ClassVar

import zmq
from jupyter_client.jsonutil import json_default
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.websocket import WebSocketClosedError

from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.reach.replacements import Question, Replacements

from . import words
from .cells import V1, cell_in
from .death import Death
from .kernels import KubernelKernelManager, StartCancelledError
from .pages import Pings
from .telling import FailedCell, Message, RunningCell, WaitingCells, noted, status

PROGRESS_SECONDS = 1.0
DIED, LOST = "KernelDied", "ConnectionLost"


class KubernelConnection(ZMQChannelsWebsocketConnection):
    """For a kernel of another provisioner, what it derives from.

    Attributes:
        held: what the page has sent and the kernel has not got yet; None when nothing stands between them.
    """

    held: list[Any] | None = None
    _until_open: asyncio.Task[None] | None = None
    _pings: Pings | None = None
    _is_gone = False
    _cell_watch: asyncio.Task[None] | None = None
    _death: asyncio.Task[None] | None = None
    _spoken: str | None = None
    # Of pages that are gone, but whose cells wait for their kernel; by session key.
    _left: ClassVar[dict[str, KubernelConnection]] = {}
    _turns: ClassVar[itertools.count[int]] = itertools.count()
    _turn: int | None = None  # in the order in which pages have sent the first of their cells that wait

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._waiting, self._running = WaitingCells(), RunningCell()
        self._cell_has_come, self._gave_up = asyncio.Event(), asyncio.Event()
        self._is_told = asyncio.Event()  # that a start has failed, or was cancelled
        self._question = Question()
        self._named: list[dict[str, Any]] = []  # cells that the page has told that it waits for, until it is connected

    @property
    def _kernels(self) -> KubernelKernelManager:
        kernels: KubernelKernelManager = self.multi_kernel_manager
        return kernels

    @property
    def subprotocol(self) -> str | None:
        """What the handshake agreed on. The base forgets it with the page, whose messages are still to be read."""
        self._spoken = super().subprotocol or self._spoken
        return self._spoken

    # Opening.

    async def _register_session(self) -> None:
        """Once: the base calls it again when the kernel is ready, and would take this page's for an older one's."""
        is_registered = self.session_key and self._open_sessions.get(self.session_key) is self.websocket_handler
        if not self._is_gone and not is_registered:
            await super()._register_session()

    async def prepare(self) -> None:
        """Called before the handshake is answered: a browser opens one websocket to a server at a time."""
        if not self._kernels.is_pending(self.kernel_id):
            await super().prepare()
            return
        await self._register_session()
        self.held = []
        before = self._left.pop(self.session_key, None)
        if before is not None and before._until_open is not None:  # the same page, after its network was away
            before._until_open.cancel()
            self.held, self._waiting, self._turn = before.held or [], before._waiting, before._turn

    def connect(self) -> Any:
        """Called when the websocket is open; no frame of it is read before what is returned here is done."""
        if self.held is None:
            return super().connect()
        self._kernels.notify_connect(self.kernel_id)
        self._open_sockets.add(self)
        self._pings = Pings(self.websocket_handler)
        self._kernels.waiting_pages.setdefault(self.kernel_id, set()).add(self)
        self._until_open = asyncio.ensure_future(self._wait_and_open())
        self._until_open.add_done_callback(lambda _: self._is_open_or_gone())
        return asyncio.sleep(0)

    async def _wait_and_open(self) -> None:
        """Waits for the kernel, opens its channels and replays what the page has sent meanwhile."""
        while (error := await self._tell_until_ready()) is not None:
            self._send(*self._waiting.failed(str(error)))
            self._drop_cells()
            if isinstance(error, StartCancelledError):
                self._send(status("dead"))
                return
            if self._is_gone:
                return
            # Not "dead": JupyterLab would let go of the kernel for good, and not even its menu could restart it. It
            # drops states that it does not know, and would show "Starting" for ever.
            self._send(status("idle"), status("unknown"))
            self._cell_has_come.clear()
            self._is_told.set()
            if await self._cell_comes_first():
                self._kernels.try_again(self.kernel_id)
            self._is_told.clear()
        self._send(*self._waiting.ready())
        if earlier := self._earlier():
            await asyncio.wait(earlier)
        try:
            await super().prepare()
            self._kernels.notify_disconnect(self.kernel_id)  # the base counts it, too
            opened = super().connect()
            if opened is not None:
                await opened
        except Exception as error:
            self.log.warning("Kernel %s is ready, but its channels do not open: %s", self.kernel_id, error)
            self.websocket_handler.close()  # the page comes back by itself
            return
        held, self.held = self.held or [], None
        for message in held:
            try:
                self.handle_incoming_message(message)
            except Exception as error:  # whatever a page may send; what came after it is to run
                self.log.warning("Kernel %s: a message of its page cannot be read: %s", self.kernel_id, error)
        if self._named:
            self.waits_for(self._named)
        if "shell" in self.channels:
            self.channels["shell"].flush(zmq.POLLOUT)  # now: the next page's cells come after them

    async def _cell_comes_first(self) -> bool:
        """Whether this page sends a cell, after a start that failed; else somebody else tries again, or gives up."""
        failed = self.kernel_manager.ready
        while self.kernel_id in self._kernels and self.kernel_manager.ready is failed:
            with suppress(TimeoutError):
                async with asyncio.timeout(PROGRESS_SECONDS):
                    await self._cell_has_come.wait()
                    return True
        return False

    def request_kernel_info(self) -> Any:
        """The first page asks for all others, too: when it is gone before the answer, that is not cancelled with it."""
        return asyncio.shield(super().request_kernel_info())

    def nudge(self) -> Any:
        """Makes sure that the kernel's outputs arrive; one that stands still answers nobody, and is not waited for."""
        return asyncio.ensure_future(asyncio.sleep(0)) if self._why_suspended else super().nudge()

    async def is_told(self) -> None:
        """Returns when the page has read what became of the start, which is over, or is gone."""
        await self._is_told.wait()
        if self._pings is not None and not self._is_gone:
            await self._pings.answered()

    def interrupt(self) -> None:
        """Nobody wants the cells that wait to run any more."""
        self._send(*self._waiting.interrupted())
        self._drop_cells()
        if self._is_gone and self._until_open is not None:
            self._until_open.cancel()

    def _drop_cells(self) -> None:
        self._turn = None
        if self.held is not None:
            self.held = [message for message in self.held if cell_in(message, self.subprotocol) is None]

    def _is_open_or_gone(self) -> None:
        """What the page has sent is on its way, or nobody waits for it any more."""
        self._until_open = None
        self._is_told.set()
        self._kernels.waiting_pages.get(self.kernel_id, set()).discard(self)
        if self._left.get(self.session_key) is self:
            del self._left[self.session_key]
        if self._is_gone and self.channels:  # what its cells print is kept, as for any page that is gone
            for stream in self.channels.values():
                stream.flush(zmq.POLLOUT)
            self._close_future: Future[Any] = Future()
            super().disconnect()
        elif self._is_gone:
            self._kernels.notify_disconnect(self.kernel_id)

    def _earlier(self) -> list[asyncio.Task[None]]:
        """Pages that have sent their cells before, and may be gone: those run first."""
        found = []
        for page in self._kernels.waiting_pages.get(self.kernel_id, ()):
            if not isinstance(page, KubernelConnection) or page._turn is None or page._until_open is None:
                continue
            if self._turn is None or page._turn < self._turn:
                found.append(page._until_open)
        return found

    async def _tell_until_ready(self) -> BaseException | None:
        """The error of a start that failed, or None when the kernel is ready."""
        if self.kernel_id not in self._kernels:
            return StartCancelledError("The kernel was shut down.")
        if not self.kernel_manager.ready.done():
            self._send(status("starting"))
        while not (ready := self.kernel_manager.ready).done():  # a restart has two, one after the other
            await asyncio.wait({ready}, timeout=PROGRESS_SECONDS)
            provisioner = self._kernels.provisioner_of(self.kernel_id)
            if provisioner is not None and not ready.done():
                seconds = self._kernels.seconds_since_start(self.kernel_id)
                self._send(*self._waiting.progress(seconds, *provisioner.why_waiting))
        return StartCancelledError("The kernel was shut down.") if ready.cancelled() else ready.exception()

    def disconnect(self) -> None:
        """Called when the page is gone. Cells that it has sent run all the same, as with a kernel that was ready."""
        if self._until_open is None:
            super().disconnect()
            return
        self._is_gone = True
        if any(cell_in(message, self.subprotocol) for message in self.held or []):
            self._left[self.session_key] = self
        else:
            self._until_open.cancel()
        if self._open_sessions.get(self.session_key) is self.websocket_handler:
            self._open_sessions.pop(self.session_key)
        self._open_sockets.discard(self)
        if not self._close_future.done():
            self._close_future.set_result(None)

    # Messages.

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Keeps what the page sends until the kernel is ready."""
        if self.held is None:
            super().handle_incoming_message(incoming_msg)
            if self._kernels.is_ours(self.kernel_id) and (cell := cell_in(incoming_msg, self.subprotocol)) is not None:
                self._running.sent(cell[0])
                self._watch()
                # What has no cell's id may be what an extension of the page asks, and shows to nobody.
                if cell[1] and (why := self._kernels.unseen.taken(self.kernel_id)):
                    self._send(*noted(cell[0], words.ended_unseen(why)))
            return
        self.held.append(incoming_msg)
        cell = cell_in(incoming_msg, self.subprotocol)
        if cell is not None:
            self._turn = next(self._turns) if self._turn is None else self._turn
            self._waiting.add(*cell)
            self._cell_has_come.set()

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Notices which cell runs."""
        if self._is_gone:
            return
        channel = getattr(stream, "channel", stream)
        if channel == "iopub" and self._kernels.is_ours(self.kernel_id):
            _, parts = self.session.feed_identities(outgoing_msg)
            if b'"status"' in bytes(parts[1]):
                state, parent = self.session.unpack(parts[4]).get("execution_state", ""), self.session.unpack(parts[2])
                if state == "idle":  # it goes on
                    self._send(*self._running.stands(""))
                self._running.status(state, parent)
                self._hear_answer(state, parent)
                self._watch()
        elif channel == "shell" and self._question.awaits_reply:
            _, parts = self.session.feed_identities(outgoing_msg)
            if self._question.is_reply(self.session.unpack(parts[2]).get("msg_id", "")):
                return  # the page has not asked
        super().handle_outgoing_message(stream, outgoing_msg)

    def _send(self, *messages: Message) -> None:
        """Sends messages in the kernel's place."""
        for each in messages:
            message = self.session.msg(each.msg_type, each.content, parent={"header": each.parent})
            message["metadata"] = each.metadata
            if not each.parent:
                message["parent_header"] = {}
            with suppress(WebSocketClosedError):
                if self.subprotocol == V1:
                    self.write_message(serialize_msg_to_ws_v1(message, each.channel, self.session.pack), binary=True)
                else:
                    self.write_message(json.dumps({**message, "channel": each.channel}, default=json_default))

    # Cells whose end the page has not heard of.

    @classmethod
    def of_page(cls, kernel_id: str, session: str) -> KubernelConnection | None:
        """The open one of a page, to a kernel of ours; None when there is none.

        Args:
            kernel_id: which kernel.
            session: the page's own name of its connection.
        """
        key = f"{kernel_id}:{session}"
        pages = (each for each in cls._open_sockets if isinstance(each, cls) and each.session_key == key)
        return next((each for each in pages if each._kernels.is_ours(kernel_id)), None)

    def waits_for(self, headers: list[dict[str, Any]]) -> None:
        """The page has sent these cells before it came here, by way of a server that is no more, for instance.

        Their end may have been lost with that: then it is told, as where a connection to the kernel was lost.

        Args:
            headers: of the requests, in their order.
        """
        if self.held is not None:  # the kernel is being taken up, for instance
            self._named += headers
            return
        for header in headers:
            self._running.sent(header)
        self._question.raise_at(time.monotonic())
        self._watch()

    # Kernels that stand still.

    @property
    def _why_suspended(self) -> str:
        provisioner = self._kernels.provisioner_of(self.kernel_id)
        return provisioner.why_suspended if provisioner is not None else ""

    def _watch(self) -> None:
        if self._running.is_running and (self._cell_watch is None or self._cell_watch.done()):
            self._cell_watch = asyncio.ensure_future(self._watch_cell())

    async def _watch_cell(self) -> None:
        """Tells a cell that runs why its kernel stands still, short of memory or paused, and what may be missing."""
        sockets = [self.channels[name].socket for name in ("shell", "iopub") if name in self.channels]
        with Replacements(*sockets) as replacements:
            while self._running.is_running and self in self._open_sockets:
                await asyncio.sleep(PROGRESS_SECONDS)
                self._send(*self._running.stands(self._why_suspended))
                if replacements.seen():
                    self._send(*self._running.gap(words.GAP))
                    self._question.raise_at(time.monotonic())
                if "shell" in self.channels and self._question.is_due(time.monotonic()):
                    asked = self.session.send(self.channels["shell"], "kernel_info_request")
                    self._question.asked(asked["header"]["msg_id"], self._running.sent_ids)

    def _hear_answer(self, state: str, parent: dict[str, Any]) -> None:
        """A kernel does one thing after the other: what was sent before a question it has done by the answer."""
        if state == "idle" and (done := self._question.answered(parent.get("msg_id", ""))) is not None:
            self._send(*self._running.unheard(done, LOST, words.LOST))

    # Deaths.

    def on_kernel_restarted(self) -> None:
        """The kernel has died: its cell is told why before the page is told that it restarts, if it does."""
        provisioner = self._kernels.provisioner_of(self.kernel_id)
        if provisioner is None:
            super().on_kernel_restarted()
            return
        self._gave_up.clear()
        self._send(*self._running.stands(""))
        cell = FailedCell(self._running.taken(), DIED)
        self._death = asyncio.ensure_future(self._tell_death(cell, provisioner, Death.of(provisioner)))

    async def _tell_death(self, cell: FailedCell, provisioner: KubernetesProvisioner, death: Death) -> None:
        self._send(*cell.because(await death.cause))
        if death.restarts_in_place and not death.is_over:
            await death.until_restarted(provisioner, self._gave_up)
        gave_up = self._gave_up.is_set()
        if gave_up and not death.is_over:
            self._send(*cell.because(words.not_back(provisioner.describe_end())))
        self._send(*cell.ends())
        with suppress(WebSocketClosedError):
            if gave_up:
                super().on_restart_failed()
            elif not death.is_over:
                super().on_kernel_restarted()

    def on_restart_failed(self) -> None:
        """The kernel does not come back."""
        self._gave_up.set()
        if self._death is not None and not self._death.done():
            return  # and tells it
        provisioner = getattr(self.kernel_manager, "provisioner", None)  # the kernel manager knows it no more
        if not isinstance(provisioner, KubernetesProvisioner):
            super().on_restart_failed()
            return
        self._send(*self._running.stands(""))
        cell = FailedCell(self._running.taken(), DIED)
        self._death = asyncio.ensure_future(self._tell_end(cell, provisioner.hear_last_output()))

    async def _tell_end(self, cell: FailedCell, cause: Awaitable[str]) -> None:
        """Of a kernel that has died too often to be restarted, for instance."""
        self._send(*cell.because(await cause), *cell.ends())
        with suppress(WebSocketClosedError):
            super().on_restart_failed()
