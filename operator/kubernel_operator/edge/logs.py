"""Logging: plain for people, JSON for machines."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from kubernel_operator.settings import Settings

_FIELDS = ("namespace", "kernel_instance")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, logger, msg and, where it is about one, namespace and kernel_instance."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **{f: getattr(record, f) for f in _FIELDS if hasattr(record, f)},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure_logging(settings: Settings) -> None:
    """Sets up the root logger. kopf's own chatter is kept to warnings."""
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else plain)
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for noisy in ("kopf", "aiohttp.access", "asyncio", "kubernetes"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for told in ("running", "observation"):
        logging.getLogger(f"kopf._core.reactor.{told}").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Signals are this process's own to handle: kopf runs in a thread on purpose, and warns of it.

    What the API server does not serve is told by ``handlers``, with what to do.
    """
    return not any(known in str(record.msg) for known in ("running not in the main thread", "Unresolved resources"))
