"""Local ports that lead to a pod's ports through the API server, as ``kubectl port-forward`` does.

Each local connection is a channel of its own, so a pod that was replaced is met by the next connection, and ZMQ makes
one by itself when the last was dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kubernel_api.constants import CONTROL_PORT, PORTS
from kubernel_provisioner.cluster.api import Api

from .channel import Channel

HOST = "127.0.0.1"
POD_PORTS = {**PORTS, "supervisor": CONTROL_PORT}
CHUNK_BYTES = 64 * 1024
# A ZMQ socket whose connection ends comes again a tenth of a second later, for as long as its notebook is open; each
# time costs the API server and the kubelet a connection. Who comes in vain for longer than a restart takes is kept
# waiting, until the kernel has answered or this is over.
QUICK_SECONDS = 5.0
HOLD_SECONDS = 2.0
# Clients come right after the start. A ZMQ socket waits for 30 s for the other end of a connection to speak.
AHEAD_SECONDS = 10.0


class ChannelError(Exception):
    """The kernel cannot be reached through the API server; the message says why."""


class PortForward:
    """Six local ports: the kernel's five, by name, and its supervisor's. Only in the background loop.

    Attributes:
        host: the local address.
        ports: the local ports.
        last_error: why the last connection failed, for people.
    """

    def __init__(self, api: Api, pod: Callable[[], str | None]) -> None:
        self._api, self._pod = api, pod
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._ahead: dict[int, Channel] = {}
        self._in_vain: dict[int, float] = {}  # by port: since when nobody answers there
        self._has_answered = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.host = HOST
        self.ports: dict[str, int] = {}
        self.last_error = ""

    @classmethod
    async def open(
        cls, api: Api, pod: Callable[[], str | None], *, wanted: dict[str, int] | None = None
    ) -> PortForward:
        """Starts to listen.

        Args:
            api: to go through.
            pod: the name of the pod at the time of a call; None while there is none.
            wanted: local ports by name, taken where they are free.
        """
        forward = cls(api, pod)
        try:
            for name, port in POD_PORTS.items():
                forward.ports[name] = await forward._listen(port, (wanted or {}).get(name, 0))
        except BaseException:
            await forward.close()
            raise
        return forward

    @property
    def command(self) -> str:
        """What does the same by hand, but for the port."""
        return f"{self._api.key.kubectl()} port-forward -n {self._api.namespace} pod/{self._pod() or 'NAME'}"

    async def _listen(self, port: int, wanted: int) -> int:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - asyncio runs this in a task of its own
            self._connections.add(task)
            try:
                await self._carry(port, reader, writer)
            except asyncio.CancelledError:
                pass  # by close(); Python 3.11 logs an error for a connection whose task was cancelled
            finally:
                self._connections.discard(task)

        # Not served at once: start_server would lose the sockets if it were cancelled in its last step.
        try:
            server = await asyncio.start_server(take, HOST, wanted, start_serving=False)
        except OSError:
            server = await asyncio.start_server(take, HOST, 0, start_serving=False)
        self._servers.append(server)
        await server.start_serving()
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Ends all connections and stops listening."""
        for server in self._servers:
            server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, *map(self._close_ahead, list(self._ahead)), return_exceptions=True)

    async def open_ahead(self) -> None:
        """Opens a channel to each of the kernel's ports, all at once; returns when the kernel has spoken on each.

        Far away each channel costs three round trips. The clients that are about to come find these open; what nobody
        has taken after a while is closed.

        Raises:
            ChannelError: the kernel cannot be reached, or not yet.
        """
        opening = (self._open_ahead(port) for port in PORTS.values())
        for outcome in await asyncio.gather(*opening, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        self._in_vain.clear()
        self._has_answered.set()
        self._has_answered = asyncio.Event()

    async def _open_ahead(self, port: int) -> None:
        channel = None
        try:
            if (pod := self._pod()) is None:
                raise ChannelError("there is no pod")
            channel = await Channel.open(self._api, pod, port)
            if not await channel.greeted():
                raise ChannelError(channel.error or f"port {port} ends connections without a word")
        except BaseException as error:
            if channel is not None:
                await channel.close()
            if not isinstance(error, Exception):
                raise
            self.last_error = str(error) or type(error).__name__
            raise ChannelError(self.last_error) from error
        await self._close_ahead(port)
        self._ahead[port] = channel
        self._loop.call_later(AHEAD_SECONDS, self._give_up, port, channel)

    def _give_up(self, port: int, channel: Channel) -> None:
        if self._ahead.get(port) is channel:
            task = self._loop.create_task(self._close_ahead(port))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _close_ahead(self, port: int) -> None:
        if (channel := self._ahead.pop(port, None)) is not None:
            await channel.close()

    async def _carry(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not await self._has_carried(port, reader, writer):
                await self._hold(port)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _has_carried(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the port has said anything, at the connection's end."""
        channel = None
        try:
            channel = await self._channel(port)
            if channel is not None:
                await _until_one_ends(_upload(reader, channel), self._download(port, channel, writer))
                self.last_error = channel.error or self.last_error
        except Exception as error:  # whatever ends a connection: ZMQ makes another one
            self.last_error = str(error) or type(error).__name__
        finally:
            if channel is not None:
                await channel.close()
        return channel is not None and channel.has_spoken

    async def _hold(self, port: int) -> None:
        """Keeps a client waiting that came in vain. Not those of the supervisor, who come once."""
        since = self._in_vain.setdefault(port, self._loop.time())
        if port != CONTROL_PORT and self._loop.time() - since >= QUICK_SECONDS:
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD_SECONDS):
                    await self._has_answered.wait()

    async def _download(self, port: int, channel: Channel, writer: asyncio.StreamWriter) -> None:
        while data := await channel.read():
            self._in_vain.pop(port, None)
            writer.write(data)
            await writer.drain()

    async def _channel(self, port: int) -> Channel | None:
        """One that was opened ahead, or a new one; None while there is no pod."""
        channel = self._ahead.pop(port, None)
        if channel is not None and channel.is_open:
            return channel
        pod = self._pod()
        return None if pod is None else await Channel.open(self._api, pod, port)


async def _upload(reader: asyncio.StreamReader, channel: Channel) -> None:
    while data := await reader.read(CHUNK_BYTES):
        await channel.write(data)


async def _until_one_ends(*ways: Any) -> None:
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
