"""A page's websocket to a kernel: accepted while the kernel is pending, and told why one waits or has died."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from jupyter_client.jsonutil import json_default
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.websocket import WebSocketClosedError

from .kernels import KubernelKernelManager, StartCancelledError
from .telling import Message, RunningCell, WaitingCells

V1 = "v1.kernel.websocket.jupyter.org"
PROGRESS_SECONDS = 1.0


class KubernelConnection(ZMQChannelsWebsocketConnection):
    """For a kernel of another provisioner, what it derives from.

    Attributes:
        held: what the page has sent and the kernel has not got yet; None when nothing stands between them.
    """

    held: list[Any] | None = None
    _until_open: asyncio.Task[None] | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._waiting, self._running = WaitingCells(), RunningCell()
        self._cell_has_come = asyncio.Event()

    @property
    def _kernels(self) -> KubernelKernelManager:
        kernels: KubernelKernelManager = self.multi_kernel_manager
        return kernels

    # Opening.

    async def _register_session(self) -> None:
        """Once: the base calls it again when the kernel is ready, and would take this page's for an older one's."""
        if not self.session_key or self._open_sessions.get(self.session_key) is not self.websocket_handler:
            await super()._register_session()

    async def prepare(self) -> None:
        """Called before the handshake is answered: a browser opens one websocket to a server at a time."""
        if not self._kernels.is_pending(self.kernel_id):
            await super().prepare()
            return
        await self._register_session()
        self.held = []

    def connect(self) -> Any:
        """Called when the websocket is open; no frame of it is read before what is returned here is done."""
        if self.held is None:
            return super().connect()
        self._kernels.notify_connect(self.kernel_id)
        self._open_sockets.add(self)
        self._until_open = asyncio.ensure_future(self._wait_and_open())
        return asyncio.sleep(0)

    async def _wait_and_open(self) -> None:
        """Waits for the kernel, opens its channels and replays what the page has sent meanwhile."""
        while (error := await self._tell_until_ready()) is not None:
            self._send(*self._waiting.failed(str(error)))
            self.held = [message for message in self.held or [] if self._cell_in(message) is None]
            if isinstance(error, StartCancelledError):
                self._send_status_message("dead")
                return
            # Not "dead": JupyterLab would let go of the kernel for good, and not even its menu could restart it.
            self._send_status_message("unknown")
            self._cell_has_come.clear()
            await self._cell_has_come.wait()
            self._kernels.try_again(self.kernel_id)
        self._send(*self._waiting.ready())
        try:
            await super().prepare()
            self._kernels.notify_disconnect(self.kernel_id)  # the base counts it, too
            self._until_open = None
            opened = super().connect()
            if opened is not None:
                await opened
        except Exception as error:
            self.log.warning("Kernel %s is ready, but its channels do not open: %s", self.kernel_id, error)
            self.websocket_handler.close()  # the page comes back by itself
            return
        held, self.held = self.held or [], None
        for message in held:
            self.handle_incoming_message(message)

    async def _tell_until_ready(self) -> BaseException | None:
        """The error of a start that failed, or None when the kernel is ready."""
        ready = self.kernel_manager.ready
        if self.kernel_id not in self._kernels:
            return StartCancelledError("The kernel was shut down.")
        if not ready.done():
            self._send_status_message("starting")
        while not ready.done():
            await asyncio.wait({ready}, timeout=PROGRESS_SECONDS)
            provisioner = self._kernels.provisioner_of(self.kernel_id)
            if provisioner is not None and not ready.done():
                seconds = self._kernels.seconds_since_start(self.kernel_id)
                self._send(*self._waiting.progress(seconds, *provisioner.why_waiting))
        return StartCancelledError("The kernel was shut down.") if ready.cancelled() else ready.exception()

    def disconnect(self) -> None:
        """Called when the page is gone."""
        if self._until_open is None:
            super().disconnect()
            return
        self._until_open.cancel()
        self._kernels.notify_disconnect(self.kernel_id)
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
            return
        self.held.append(incoming_msg)
        cell = self._cell_in(incoming_msg)
        if cell is not None:
            self._waiting.add(cell)
            self._cell_has_come.set()

    def _cell_in(self, incoming_msg: Any) -> dict[str, Any] | None:
        """The header of a message that runs a cell; None for any other, and for what cannot be read."""
        header: dict[str, Any] = {}
        with suppress(ValueError, KeyError, IndexError):  # the base says so when its time has come
            if self.subprotocol == V1:
                header = json.loads(deserialize_msg_from_ws_v1(incoming_msg)[1][0])
            elif isinstance(incoming_msg, bytes):
                header = deserialize_binary_message(incoming_msg)["header"]
            else:
                header = json.loads(incoming_msg)["header"]
        return header if header.get("msg_type") == "execute_request" else None

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Notices which cell runs."""
        if getattr(stream, "channel", stream) == "iopub" and self._kernels.is_ours(self.kernel_id):
            _, parts = self.session.feed_identities(outgoing_msg)
            if b'"status"' in bytes(parts[1]):
                state = self.session.unpack(parts[4]).get("execution_state", "")
                self._running.status(state, self.session.unpack(parts[2]))
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

    # Deaths.

    def on_kernel_restarted(self) -> None:
        """The kernel has died: its cell is told why before the page is told that it restarts, if it does."""
        provisioner = self._kernels.provisioner_of(self.kernel_id)
        if provisioner is None:
            super().on_kernel_restarted()
            return
        self._send(*self._running.died(provisioner.describe_end()))
        if not provisioner.is_over:
            super().on_kernel_restarted()
