"""The server's log: an error that says in words what is the matter, and what to do, needs no traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from kubernel_provisioner.errors import KubernelError

#: Where else than in the server's own log such an error may end, with a traceback.
LOGGERS = ("asyncio", "tornado.application")


class OneLine(logging.Filter):
    """Makes one line of an error of ours, and drops it when it was said before: each layer that it passes logs it."""

    def __init__(self) -> None:
        super().__init__()
        self._said: KubernelError | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written; changed in place."""
        error = self._error_of(record)
        if error is None:
            return True
        is_news = error is not self._said
        self._said = error
        record.msg, record.args = " ".join(str(error).replace("\\\n", " ").split()), ()
        record.exc_info = record.exc_text = record.stack_info = None
        return is_news

    @staticmethod
    def _error_of(record: logging.LogRecord) -> KubernelError | None:
        places: Iterable[Any] = (record.msg, *(record.exc_info if isinstance(record.exc_info, tuple) else ()))
        return next((each for each in places if isinstance(each, KubernelError)), None)


def shorten(log: Any) -> None:
    """Does so in the server's log, a logger or an adapter of one, and where else its errors may end."""
    mine = OneLine()
    for logger in (getattr(log, "logger", log), *map(logging.getLogger, LOGGERS)):
        logger.addFilter(mine)
