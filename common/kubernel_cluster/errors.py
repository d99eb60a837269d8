"""What can go wrong between us and the API server.

ClusterError
├── ApiError            the API server said no; ``status`` and ``reason`` say how
├── ApiUnavailableError nobody answered, or the server said to come back later: nothing is known
└── NoLoginError        there is no way in: neither a ServiceAccount nor a usable kubeconfig
"""

from __future__ import annotations


class ClusterError(Exception):
    """Base of all."""


class ApiError(ClusterError):
    """A final answer of the API server.

    Attributes:
        status: HTTP status.
        reason: ``Status.reason``, e.g. AlreadyExists, Forbidden, NotFound, Conflict.
        message: the server's sentence.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class ApiUnavailableError(ClusterError):
    """No answer, a time-out, 429 or 5xx. What it would have said is unknown, not absent."""


class NoLoginError(ClusterError):
    """There are no credentials; the message says where they were looked for."""
