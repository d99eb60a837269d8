"""What is known of a kernel at the moment of its death."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass

from kubernel_provisioner import KubernetesProvisioner

# A restart in place takes a moment, or fails; one that takes longer is announced before it is known what becomes of it.
RESTART_SECONDS, RESTART_LOOK_SECONDS = 30.0, 0.1


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

    async def until_restarted(self, provisioner: KubernetesProvisioner, gave_up: asyncio.Event) -> None:
        """Until it works again, or does not come back: "It will restart automatically" is said only of the first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RESTART_SECONDS):
                while provisioner.launches == self.launches and not gave_up.is_set():  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(RESTART_LOOK_SECONDS)
