"""What the API server's answers mean. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ApiError, ApiUnavailableError, ClusterError, ConflictError

WORDS_LIMIT = 200
# Of pages for browsers: what is no text, and what marks it up.
_NO_TEXT = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
# A load balancer that lost patience; an API server that is asked too much.
TIMED_OUT_OR_BUSY = frozenset({408, 429})


def decoded(
    method: str,
    path: str,
    status: int,
    text: bytes,
    headers: Mapping[str, str],
    read: Callable[[bytes], Any] = json.loads,
) -> dict[str, Any]:
    """An answer as a dict; ``read`` makes it of one that is no refusal, and raises ValueError if it cannot.

    Raises:
        ApiError: it is a refusal.
        ApiUnavailableError: it says nothing about what was asked: 408, 429, 5xx, and a success that is no object, such
            as a login page.
    """
    try:
        answer = (read if status < 300 else json.loads)(text) if text else {}
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):  # whatever stands between us and the API server speaks
        answer = {"message": words(text)}
        if status < 300:
            message = f"something else answers there (HTTP {status}): {answer['message']}"
            raise ApiUnavailableError(f"{method} {path}: {message}", message=message)
    if status < 300:
        return answer
    raise failure(f"{method} {path}", status, answer, retry_after=_seconds(headers.get("Retry-After")))


def words(text: bytes) -> str:
    """What a page says, in one line; a part of it."""
    return " ".join(_NO_TEXT.sub(" ", text[:8192].decode(errors="replace")).split())[:WORDS_LIMIT]


def failure(request: str, status: int, answer: dict[str, Any], retry_after: float | None = None) -> ClusterError:
    """The error that a ``Status`` object stands for.

    Args:
        request: what was asked, for the error's text.
        status: HTTP status.
        answer: the object.
        retry_after: seconds that the server wants to be left alone.
    """
    reason, message = str(answer.get("reason") or "Unknown"), str(answer.get("message") or "").strip()
    details = answer.get("details")
    details = details if isinstance(details, dict) else {}
    if status in TIMED_OUT_OR_BUSY or status >= 500:
        text = f"{request}: {status} {message}"
        return ApiUnavailableError(
            text, status=status, reason=reason, message=message, details=details, retry_after=retry_after
        )
    kind = ConflictError if status == 409 and reason == "Conflict" else ApiError
    return kind(status, reason, message, details)


def _seconds(text: str | None) -> float | None:
    """The API server gives Retry-After in whole seconds; a date, which HTTP allows too, is nothing it sends."""
    return float(text) if text and text.isdecimal() else None
