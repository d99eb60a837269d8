"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from kubernel_operator.settings import SettingsError

# Whoever sends half of a request must not keep an operator that stops from giving its Lease back.
SHUTDOWN_SECONDS = 1.0


async def serve(stack: AsyncExitStack, app: web.Application, port: int) -> None:
    """Serves ``app`` on ``port`` until ``stack`` is left.

    Raises:
        SettingsError: the port cannot be opened.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    with opening(port):
        await web.TCPSite(runner, port=port).start()


@contextmanager
def opening(port: int) -> Iterator[None]:
    """Says which port cannot be opened inside."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"port {port} cannot be opened ({error.strerror}); choose another one, see --help"
        ) from error


def health_app(is_ready: Callable[[], str]) -> web.Application:
    """``/healthz``: the event loop runs. ``/readyz``: ``is_ready`` returns an empty string, else what is missing.

    Neither asks the API server: an outage there must not restart the operator.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        missing = is_ready()
        return web.Response(text=f"{missing or 'ok'}\n", status=503 if missing else 200)

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def metrics_app(update: Callable[[], None]) -> web.Application:
    """``/metrics`` in Prometheus' text format. ``update`` sets the gauges that nobody sets at each change."""

    async def metrics(_: web.Request) -> web.Response:
        update()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return app
