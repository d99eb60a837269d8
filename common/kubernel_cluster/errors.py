"""What can go wrong between us and the API server.

ClusterError
├── ApiError            the API server said no, and will say so again; ``status`` and ``reason`` say how
│   └── ConflictError       the object has changed since it was read: read it again, and decide again
├── ApiUnavailableError nobody answered, or the server could not say (429, 5xx): nothing is known
├── AnswerTooLargeError the answer has more bytes than the caller wants to hold
└── NoLoginError        there is no way in: neither a ServiceAccount nor a usable kubeconfig
"""

from __future__ import annotations

from typing import Any


class ClusterError(Exception):
    """Base of all."""


class ApiError(ClusterError):
    """A final answer of the API server.

    Attributes:
        status: HTTP status.
        reason: ``Status.reason``, e.g. AlreadyExists, Forbidden, NotFound, Conflict.
        message: the server's sentence.
        details: ``Status.details``: what it is about, as far as given: name, group, kind.
    """

    def __init__(self, status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}


class ConflictError(ApiError):
    """409 Conflict: somebody else has changed the object since it was read. Part of ordinary life, and no fault."""


class ApiUnavailableError(ClusterError):
    """No answer, a time-out, 429 or 5xx. What it would have said is unknown, not absent.

    Attributes:
        status: HTTP status; None when nobody answered.
        reason: ``Status.reason``, e.g. InternalError; "" without an answer.
        message: the server's sentence, or why there was no answer.
        details: ``Status.details``.
        retry_after: seconds that the server wants to be left alone; None when it did not say.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        reason: str = "",
        message: str = "",
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.message = message or text
        self.details = details or {}
        self.retry_after = retry_after


class AnswerTooLargeError(ClusterError):
    """The rest of the answer was not read."""


class NoLoginError(ClusterError):
    """There are no credentials, or they cannot be renewed.

    Attributes:
        what: what was tried, and how it failed.
        why: what helps, or what somebody else (a login command) said about it; may be "".
    """

    def __init__(self, what: str, why: str = "") -> None:
        super().__init__(f"{what}: {why}" if why else what)
        self.what = what
        self.why = why
