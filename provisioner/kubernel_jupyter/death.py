"""What is known of a kernel at the moment of its death."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from kubernel_provisioner import KubernetesProvisioner


@dataclass(frozen=True)
class Death:
    """What is known of a kernel when it has just died; a restart changes it.

    Args:
        cause: in words, with its last output, which has to be asked for.
        is_over: whether it does not come back.
        restarts_in_place: whether only its process has ended.
        launches: how often it was started.
    """

    cause: Awaitable[str]
    is_over: bool
    restarts_in_place: bool
    launches: int

    @classmethod
    def of(cls, provisioner: KubernetesProvisioner) -> Death:
        """As its provisioner knows it now."""
        return cls(
            provisioner.hear_last_output(), provisioner.is_over, provisioner.restarts_in_place, provisioner.launches
        )
