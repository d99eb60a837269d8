"""Times as Kubernetes writes them. Decisions take ``now`` (Unix seconds) as an argument; nothing here reads a clock."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache


def rfc3339(seconds: float) -> str:
    """Unix seconds as ``metav1.Time``: UTC, whole seconds."""
    return _whole_second(math.floor(seconds))


@lru_cache(maxsize=16)  # whoever looks at ten thousand kernels asks for the same few
def _whole_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(seconds: float) -> str:
    """Unix seconds as ``metav1.MicroTime``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unix(text: str | None) -> float | None:
    """Unix seconds of an RFC 3339 time, or None when there is none."""
    if not text:
        return None
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
