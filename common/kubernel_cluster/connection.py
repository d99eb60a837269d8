"""A connection to one API server that lives for days: its credentials are renewed in place.

A renewal changes one header of the requests to come. Watches, port-forwards and requests in flight are not touched by
it: a session that is closed under its readers leaves aiohttp's waiting for ever. Only other certificates need other
connections; then the old ones are closed when the last one who uses them has left.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from importlib import metadata
from typing import Any
from urllib.parse import urlencode

from .errors import ApiUnavailableError, NoLoginError
from .login import ClusterKey, Login, log_in
from .pool import Pool

CONNECT_SECONDS = 5.0
# A WebSocket is open when the kubelet, behind the API server, has answered.
UPGRADE_SECONDS = 30.0
# Credentials that tell when they end are renewed this long before, and those that live shorter at half of their time.
EARLY_SECONDS = 60.0
# A renewal that brought nothing is not repeated sooner: some login commands open a browser window.
RENEWAL_PAUSE_SECONDS = 10.0

# User and password of a proxy's URL, which aiohttp quotes in its errors.
_URL_USER = re.compile(r"://[^/\s'\"]*@")

log = logging.getLogger(__name__)


class Connection:
    """One per event loop.

    Args:
        granted: the first login.
        log_in: logs in anew.
        user_agent: of which the API server takes the part before "/" for the field manager.

    Attributes:
        namespace: the one that was asked for, else the kubeconfig's or the pod's own.
    """

    def __init__(self, granted: Login, log_in: Callable[[], Awaitable[Login]], user_agent: str) -> None:
        self.namespace = granted.namespace
        self._log_in = log_in
        self._user_agent = user_agent
        self._login = granted
        self._pool = Pool(granted.configuration)
        self._renewals = 0
        self._renewal: asyncio.Task[None] | None = None
        self._failure: NoLoginError | None = None
        self._paused_until = 0.0
        self._renew_at = _time_to_renew(granted)
        self._is_suspect = False

    @classmethod
    async def open(cls, key: ClusterKey, product: str) -> Connection:
        """Logs in; makes no request yet. ``product`` names this program.

        Raises:
            NoLoginError: there is no way in.
        """
        granted = await log_in(key)
        same = replace(key, context=granted.context)
        return cls(granted, lambda: log_in(same), f"{product}/{metadata.version('kubernel')}")

    @property
    def host(self) -> str:
        """The API server's URL."""
        return str(self._login.configuration.host)

    async def close(self) -> None:
        """Closes all connections."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})
        await self._pool.close()

    @asynccontextmanager
    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None,
    ) -> AsyncIterator[Any]:
        """Sends a request; gives the answer as an ``aiohttp.ClientResponse``, whatever it says.

        Refused credentials are renewed, and the request is sent again, once.

        Args:
            method: HTTP method.
            path: on the API server.
            query: parameters.
            data: the body.
            headers: more of them.
            seconds: for the whole exchange; None for a watch.

        Raises:
            ApiUnavailableError: nobody answered, or not to the end.
            NoLoginError: the credentials are refused, and there are no others.
        """
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS)
        with self._reporting(method, path):
            while True:
                seen, login = await self._credentials()
                target, sent = _url(login, path, query), await self._headers(login, headers or {})
                async with (
                    self._pool.session() as session,
                    session.request(
                        method, target, data=data, headers=sent, timeout=timeout, **_route(login)
                    ) as answer,
                ):
                    if not await _is_refused(answer) or not await self._renew(seen):
                        yield answer
                        return

    @asynccontextmanager
    async def websocket(self, path: str, query: Mapping[str, Any], **options: Any) -> AsyncIterator[Any]:
        """Opens a WebSocket: an ``aiohttp.ClientWebSocketResponse``.

        Args:
            path: on the API server.
            query: parameters.
            options: of ``aiohttp.ClientSession.ws_connect``: protocols, heartbeat.

        Raises:
            ApiUnavailableError: nobody answered.
            NoLoginError: the credentials are refused, and there are no others.
            aiohttp.WSServerHandshakeError: the API server refused.
        """
        import aiohttp

        while True:
            seen, login = await self._credentials()
            target = _url(login, path, query).replace("http", "ws", 1)
            # The API server takes a WebSocket that accepts JSON only for a mistake: 406.
            sent = await self._headers(login, {"Accept": "*/*"})
            async with self._pool.session() as session:
                try:
                    with self._reporting("GET", path):
                        async with asyncio.timeout(UPGRADE_SECONDS):
                            socket = await session.ws_connect(target, headers=sent, **_route(login), **options)
                except aiohttp.WSServerHandshakeError as error:
                    if error.status != 401 or not await self._renew(seen):
                        raise
                else:
                    async with socket:
                        yield socket
                    return

    async def _credentials(self) -> tuple[int, Login]:
        """The login to use now, and its number. Renewed early in the background: what is in use is good still."""
        if self._is_suspect and self._login.is_outdated:
            await self._renew(self._renewals)
        self._is_suspect = False
        if self._renew_at is not None and time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + RENEWAL_PAUSE_SECONDS
            self._begin_renewal()
        return self._renewals, self._login

    async def _headers(self, login: Login, more: Mapping[str, str]) -> list[tuple[str, str]]:
        from kubernetes.aio.config import ConfigException

        try:
            # A ServiceAccount's token is read anew by this, once a minute.
            token = await login.configuration.get_api_key_with_prefix("BearerToken")
        except (ConfigException, OSError) as error:
            raise NoLoginError("the ServiceAccount's token cannot be read", str(error)) from error
        credentials = [("Authorization", token.strip())] if token else []
        return [*more.items(), ("User-Agent", self._user_agent), *credentials, *login.headers]

    async def _renew(self, seen: int) -> bool:
        """Logs in anew, unless that was done since login number ``seen``. Who comes meanwhile waits for the same one.

        Returns:
            False when there is nothing else to try: the login is new already.

        Raises:
            NoLoginError: it failed, now or a moment ago.
        """
        if seen != self._renewals:
            return True
        if self._renewal is None and time.monotonic() < self._paused_until and not self._login.is_outdated:
            if self._failure is not None:
                raise NoLoginError(self._failure.what, self._failure.why)
            return False
        await asyncio.shield(self._begin_renewal())
        if self._failure is not None:
            raise NoLoginError(self._failure.what, self._failure.why)
        return True

    def _begin_renewal(self) -> asyncio.Task[None]:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._log_in_anew())
        return self._renewal

    async def _log_in_anew(self) -> None:
        try:
            fresh = await self._log_in()
            pool = self._pool if self._pool.fits(fresh.configuration) else Pool(fresh.configuration)
        except NoLoginError as error:
            is_news = str(error) != str(self._failure)  # a laptop whose login ended tries all night
            self._failure = error
            log.log(
                logging.WARNING if is_news else logging.DEBUG,
                "The credentials for %s were not renewed: %s",
                self.host,
                error,
            )
        else:
            self._failure = None
            self._renewals += 1
            self._login, self._renew_at = fresh, _time_to_renew(fresh)
            if pool is not self._pool:
                retired, self._pool = self._pool, pool
                await retired.retire()
        finally:
            self._renewal = None
            self._paused_until = time.monotonic() + RENEWAL_PAUSE_SECONDS

    @contextmanager
    def _reporting(self, method: str, path: str) -> Iterator[None]:
        import aiohttp

        try:
            yield
        except aiohttp.WSServerHandshakeError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._is_suspect = True
            said = " ".join(str(error).split()) or type(error).__name__
            message = _URL_USER.sub("://", said)
            cause = error if message == said else None  # a traceback shows its words, too
            raise ApiUnavailableError(f"{method} {path}: {message}", message=message) from cause


def _url(login: Login, path: str, query: Mapping[str, Any] | None) -> str:
    return f"{login.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")


def _route(login: Login) -> dict[str, Any]:
    """How requests get there, in aiohttp's words."""
    configuration = login.configuration
    ways = {
        "proxy": configuration.proxy,
        "proxy_headers": configuration.proxy_headers,
        "server_hostname": configuration.tls_server_name,
    }
    return {name: value for name, value in ways.items() if value}


async def _is_refused(response: Any) -> bool:
    """Whether other credentials may help. Without any, the API server speaks of system:anonymous, and of 403."""
    if response.status == 401:
        await response.read()
        return True
    return response.status == 403 and b'"system:anonymous' in (await response.read()).replace(b"\\", b"")


def _time_to_renew(login: Login) -> float | None:
    """On the monotonic clock: a machine whose own clock is wrong must not log in all the time."""
    if login.lifetime is None or login.lifetime <= 0:
        return None
    return time.monotonic() + max(login.lifetime - EARLY_SECONDS, login.lifetime / 2)
