"""Where supervisors report: ``docs/protocols.md``, "Callback"."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web

from kubernel_operator import metrics
from kubernel_wire.callback import Callback, MalformedReportError, verified

logger = logging.getLogger(__name__)

PATH = "/v1/callback"
# A report is at most 4 KiB of log and some fields.
BODY_MAX_BYTES = 16 * 1024


def callback_app(operator_key: bytes, take: Callable[[Callback], bool]) -> web.Application:
    """The web application. ``take`` gets each genuine callback and says whether its pod is known."""

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            callback = verified(body, request.headers.get("X-Kubernel-Signature", ""), operator_key)
        except MalformedReportError as error:
            return _answer("malformed", 400, str(error))
        if callback is None:
            logger.warning("A callback from %s has a wrong signature.", request.remote)
            return _answer("forbidden", 403, "the signature is not that of the pod")
        if not take(callback):
            return _answer("unknown", 404, "this pod is not known here (yet)")
        return _answer("taken", 204, None)

    app = web.Application(client_max_size=BODY_MAX_BYTES)
    app.router.add_post(PATH, handle)
    return app


def _answer(result: str, status: int, text: str | None) -> web.Response:
    metrics.CALLBACKS.labels(result).inc()
    return web.Response(status=status, text=text)
