"""One connection to a port of a pod: a WebSocket to ``pods/NAME/portforward``.

Source: channel 0 carries data and channel 1 errors; the first message on each is the port, two bytes, low one first
(kubernetes ``pkg/kubelet/.../portforward/websocket.go``, protocol v4.channel.k8s.io).
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from kubernel_provisioner.cluster.api import Api

_DATA, _ERROR = 0, 1


class Channel:
    """An open one. Only in the background loop.

    Attributes:
        error: why it ended, for people; "" when it just did.
        has_spoken: whether anything came from the port.
    """

    def __init__(self, socket: Any, stack: AsyncExitStack) -> None:
        self._socket, self._stack = socket, stack
        self._announced: set[int] = set()
        self._early = b""
        self.error = ""
        self.has_spoken = False

    @classmethod
    async def open(cls, api: Api, pod: str, port: int) -> Channel:
        """Connects.

        Raises:
            ApiError: the API server, or the kubelet, does not allow it.
            KernelError: nobody answered, or there are no credentials.
        """
        stack = AsyncExitStack()
        return cls(await stack.enter_async_context(api.connect_port(pod, port)), stack)

    async def close(self) -> None:
        """Ends it."""
        await self._stack.aclose()

    @property
    def is_open(self) -> bool:
        """Whether nobody is known to have ended it."""
        return not self._socket.closed

    async def write(self, data: bytes) -> None:
        """Sends bytes to the port."""
        await self._socket.send_bytes(bytes([_DATA]) + data)

    async def read(self) -> bytes:
        """The next bytes from the port; none at the end."""
        early, self._early = self._early, b""
        return early or await self._receive()

    async def greeted(self) -> bool:
        """Whether the other end speaks before it is spoken to, as every ZMQ socket does; waits for it, and keeps it."""
        self._early = self._early or await self._receive()
        return bool(self._early)

    async def _receive(self) -> bytes:
        async for message in self._socket:
            if not isinstance(message.data, bytes):  # the end of a connection that was cut: an exception
                self.error = str(message.data)
                return b""
            channel, data = message.data[0], message.data[1:]
            if channel not in self._announced:
                self._announced.add(channel)  # the port
            elif channel == _ERROR:
                self.error = data.decode(errors="replace")
                return b""
            elif data:
                self.has_spoken = True
                return bytes(data)
        return b""
