"""What a server asks of the supervisor in a kernel's pod by itself, without an operator: signals and restarts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kubernel_api.conditions import Reason
from kubernel_provisioner.errors import KernelFailedError
from kubernel_provisioner.reach.route import Endpoint
from kubernel_wire.control import ControlError, ControlUnreachableError, control, unsealed

from .exit_code import code_of
from .explaining import OUTPUT
from .last_output import shortened

CONTROL_SECONDS = 2.0
# It answers when there is something new, or after a second; one of an older version, or none, does so at once.
LOOK_EVERY_SECONDS = 0.5
# How long an operator has to say why the kernel's new process has ended, which it says better.
LAST_WORDS_SECONDS = 5.0


@dataclass(frozen=True)
class Supervisor:
    """A way to a kernel's supervisor, which may change from one request to the next.

    Args:
        endpoint: where it is at the time of a call; None where there is none, or none is known yet.
        key: the connection key.
        log: the provisioner's.
        subject: the kernel, in words.
    """

    endpoint: Callable[[], Endpoint | None]
    key: bytes
    log: logging.Logger
    subject: str

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Its answer, or None when it cannot be reached.

        Raises:
            ControlError: it refused.
        """
        where = self.endpoint()
        if where is None:
            return None
        try:
            return await control(
                where.host, where.port, dict(request), key=self.key, role="connection", timeout_seconds=CONTROL_SECONDS
            )
        except ControlUnreachableError as error:
            self.log.debug("%s for %s: %s", request["op"], self.subject, error)
            return None

    async def usage(self) -> dict[str, Any] | None:
        """``memory`` and ``cpuSeconds`` of the container, or None when nobody can say."""
        try:
            answer = await self.ask({"op": "usage"})
        except ControlError as error:  # a supervisor of an older version
            self.log.debug("usage of %s: %s", self.subject, error)
            return None
        return None if answer is None else {name: answer.get(name) for name in ("memory", "cpuSeconds")}

    async def last_output(self, generation: int) -> str | None:
        """What the kernel's process of that restart printed before it ended by itself; None when nobody can say."""
        try:
            answer = await self.ask({"op": "output"})
            if answer is None or answer.get("generation") != generation:
                return None
            return shortened(unsealed(self.key, str(answer.get("sealed"))))
        except (ControlError, ValueError) as error:  # a supervisor of an older version
            self.log.debug("last output of %s: %s", self.subject, error)
            return None

    async def restart(self, generation: int, env: Mapping[str, str] | None) -> int | None:
        """Replaces the kernel's process at once.

        Args:
            generation: number of the restart; a higher one is taken when it has been used.
            env: the new environment; None keeps the one that the kernel has.

        Returns:
            The number of the restart, or None when nobody took it: then the operator has to do it.
        """
        try:
            for _ in range(2):
                given = {} if env is None else {"env": dict(env)}
                answer = await self.ask({"op": "restart", "generation": generation, **given})
                if answer is None or answer.get("started", True):
                    return None if answer is None else generation
                answer = await self.ask({"op": "status"})
                generation = max(generation, int((answer or {}).get("generation") or 0)) + 1
        except ControlError as error:  # its container is ending, for instance
            self.log.warning("restart of %s: %s", self.subject, error)
        return None

    async def _status_after(self, state: str, **more: Any) -> dict[str, Any]:
        """What it says as soon as the kernel's state is another one, or in a second; empty when nothing is known."""
        try:
            return await self.ask({"op": "status", "while": state, **more}) or {}
        except ControlError:
            return {}

    async def code_at_end(self, generation: int, *, restarts: bool) -> int | None:
        """The exit code of a kernel that is about to end; None: it does not within a second, or nobody knows.

        Args:
            generation: of its process.
            restarts: whether a restart follows, for which the supervisor may prepare itself.
        """
        status = await self._status_after("running", **({"restarts": True} if restarts else {}))
        has_ended = status.get("state") == "exited" and status.get("generation") == generation
        return code_of(status) if has_ended else None

    async def until_restarted(self, generation: int) -> None:
        """Returns once it says that the kernel of that restart, or of a later one, is ready.

        Raises:
            KernelFailedError: it says that it has ended.
        """
        while True:
            status = await self._status_after("starting")
            if int(status.get("generation") or 0) >= generation:
                if status.get("state") == "running":
                    return
                if status.get("state") == "exited":
                    await asyncio.sleep(LAST_WORDS_SECONDS)
                    output = str(status.get("log") or "")
                    raise KernelFailedError(
                        f"The kernel {_end(status)} (KernelCrashed).",
                        f"{OUTPUT}\n{output}" if output else "",
                        reason=Reason.KERNEL_CRASHED,
                    )
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def _end(status: Mapping[str, Any]) -> str:
    if status.get("signal"):
        return f"ended by signal {status['signal']}"
    return f"ended with exit code {status.get('exitCode')}"
