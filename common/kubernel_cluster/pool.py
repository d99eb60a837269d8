"""Connections that share certificates, and are closed when the last one who uses them has left."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from .errors import NoLoginError

# One event of a watch is one line, and may be as large as etcd allows: 1.5 MiB.
READ_BUFFER_BYTES = 1 << 21
# An idle connection is kept for so long. A Lease is renewed every 15 s, so it, and a start that comes an hour later,
# find one and pay no handshakes. The API server itself keeps them for 90 s, most load balancers for 60 s.
IDLE_SECONDS = 30.0
# A peer that vanished without a word is noticed within 25 s; TCP alone would take a quarter of an hour, and a
# connection that only listens would never notice. Options that an operating system lacks are left out: macOS has
# TCP_KEEPALIVE for TCP_KEEPIDLE.
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPALIVE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}


class Pool:
    """An aiohttp session, opened by its first user.

    Args:
        configuration: a ``kubernetes.aio.client.Configuration``.

    Raises:
        NoLoginError: its certificates cannot be used.
    """

    def __init__(self, configuration: Any) -> None:
        from kubernetes.aio.client.rest import RESTClientObject

        with _reporting():
            _refuse_passphrase(configuration)
            self._certificates = _certificates(configuration)
            self._ssl = RESTClientObject(configuration).ssl_context
        self._session: Any = None
        self._users = 0
        self._is_retired = False

    def fits(self, configuration: Any) -> bool:
        """Whether its connections are those that this configuration would make."""
        with _reporting():
            return _certificates(configuration) == self._certificates

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        """The ``aiohttp.ClientSession``, which stays open as long as this is entered."""
        if self._session is None:
            self._session = _new_session(self._ssl)
        self._users += 1
        try:
            yield self._session
        finally:
            self._users -= 1
            await self._close_if_left()

    async def retire(self) -> None:
        """Nobody else comes; closes as soon as nobody uses it any more."""
        self._is_retired = True
        await self._close_if_left()

    async def close(self) -> None:
        """Closes all connections, used or not: at the end of everything."""
        if self._session is not None:
            await self._session.close()

    async def _close_if_left(self) -> None:
        if self._is_retired and self._users == 0:
            await self.close()


def keepalive_socket(address: Any) -> socket.socket:
    """A socket for ``aiohttp.TCPConnector(socket_factory=)`` that notices when its peer is gone."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _new_session(ssl_context: Any) -> Any:
    import aiohttp

    # With trust_env aiohttp would look into the user's netrc before each request, in a thread.
    connector = aiohttp.TCPConnector(
        limit=0,  # watches and port-forwards stay open: any limit would one day keep everything else waiting
        ssl=ssl_context,
        socket_factory=keepalive_socket,
        keepalive_timeout=IDLE_SECONDS,
    )
    return aiohttp.ClientSession(connector=connector, trust_env=False, read_bufsize=READ_BUFFER_BYTES)


@contextmanager
def _reporting() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl's errors are such, too
        raise NoLoginError("the certificates of the cluster or its user cannot be used", str(error)) from error


def _refuse_passphrase(configuration: Any) -> None:
    """OpenSSL would ask the terminal for it, and this thread and all that it does would wait for the answer."""

    def refuse() -> str:
        raise NoLoginError(
            "the private key of the cluster's user has a passphrase",
            "Nobody can be asked for it: kubectl, too, needs a key without one.",
        )

    if configuration.cert_file:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(configuration.cert_file, configuration.key_file, password=refuse)


def _certificates(configuration: Any) -> tuple[object, ...]:
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    digests = (hashlib.sha256(Path(file).read_bytes()).digest() if file else b"" for file in files)
    return (*digests, configuration.verify_ssl)
