"""Local ports that lead to a pod's ports through the API server, as ``kubectl port-forward`` does.

Each local connection is a WebSocket of its own to ``pods/NAME/portforward``, so a pod that was replaced is met by the
next connection, and ZMQ makes one by itself when the last was dropped.

Source: channel 0 carries data and channel 1 errors; the first message on each is the port, two bytes, low one first
(kubernetes ``pkg/kubelet/.../portforward/websocket.go``, protocol v4.channel.k8s.io).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kubernel_api.constants import CONTROL_PORT, PORTS
from kubernel_provisioner.cluster.api import Api

HOST = "127.0.0.1"
POD_PORTS = {**PORTS, "supervisor": CONTROL_PORT}
CHUNK_BYTES = 64 * 1024
_DATA, _ERROR = 0, 1


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
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _carry(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pod = self._pod()
        try:
            if pod is not None:
                async with self._api.connect_port(pod, port) as socket:
                    await _until_one_ends(_upload(reader, socket), self._download(socket, writer))
        except Exception as error:  # whatever ends a connection: ZMQ makes another one
            self.last_error = str(error) or type(error).__name__
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _download(self, socket: Any, writer: asyncio.StreamWriter) -> None:
        greeted: set[int] = set()
        async for message in socket:
            if not isinstance(message.data, bytes):  # the end of a connection that was cut: an exception
                self.last_error = str(message.data)
                return
            channel, data = message.data[0], message.data[1:]
            if channel not in greeted:
                greeted.add(channel)  # the port
            elif channel == _ERROR:
                self.last_error = data.decode(errors="replace")
                return
            else:
                writer.write(data)
                await writer.drain()


async def _upload(reader: asyncio.StreamReader, socket: Any) -> None:
    while data := await reader.read(CHUNK_BYTES):
        await socket.send_bytes(bytes([_DATA]) + data)


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
