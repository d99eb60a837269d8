"""Talking to kernel pods: their supervisor, or at least their ports."""

from __future__ import annotations

import asyncio
from typing import Any

from kubernel_api.constants import CONTROL_PORT, PORTS
from kubernel_wire.control import control

CONNECT_TIMEOUT_SECONDS = 1.0
# A supervisor greets as soon as its process has a turn.
GREETING_TIMEOUT_SECONDS = 1.0


class PodNetwork:
    """What the operator asks of pods over the network."""

    async def ask(self, ip: str, request: dict[str, Any], token: str) -> dict[str, Any]:
        """The supervisor's answer.

        Raises:
            ControlUnreachableError: there is none, or it did not answer in time.
            ControlError: it refused.
        """
        return await control(ip, CONTROL_PORT, request, key=token.encode(), role="operator")

    async def accepts(self, ip: str) -> bool:
        """Whether all five ports of the kernel accept connections."""
        return all(await asyncio.gather(*(_accepts(ip, port) for port in PORTS.values())))

    async def is_supervised(self, ip: str) -> bool:
        """Whether a supervisor is there, which need not answer yet: it listens before it starts the kernel.

        The proxy of a service mesh accepts connections for its pod, and closes those to ports where nobody listens.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(ip, CONTROL_PORT)
        except (OSError, TimeoutError):
            return False
        try:
            async with asyncio.timeout(GREETING_TIMEOUT_SECONDS):
                return await reader.read(1) != b""
        except TimeoutError:
            return True
        except OSError:
            return False
        finally:
            writer.close()


async def _accepts(ip: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(ip, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
