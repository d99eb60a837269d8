"""What comes of something that was asked for beside the kernel's start: the words of a condition."""

from __future__ import annotations

from dataclasses import dataclass

from kubernel_api.conditions import ConditionStatus, Reason


@dataclass(frozen=True)
class Outcome:
    """Status, reason and message of a condition."""

    status: ConditionStatus
    reason: Reason
    message: str
