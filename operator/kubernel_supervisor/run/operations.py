"""What can be asked for at the control port."""

import os
import signal

from kubernel_supervisor.memory.freezer import SUSPENDED
from kubernel_supervisor.memory.usage import usage

from .control_requests import (
    Binding,
    RequestError,
    sealed,
    wanted_idle_timeout,
    wanted_restart,
    wanted_signal,
    wanted_suspension,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STOP_SECONDS = 2.0  # from SIGTERM to SIGKILL at a stop request


def handle(supervisor: "Any", request: "dict[str, Any]") -> "dict[str, Any]":
    """Does what an authenticated request asks for.

    Raises:
        RequestError: it is not done.
    """
    operation = request.get("op")
    if operation == "signal":
        number = wanted_signal(request)
        delivered = supervisor.signal_kernel(number)
        supervisor.memory.let_go()
        if number == signal.SIGTERM:
            supervisor.freezer.release(SUSPENDED)
        return {"delivered": delivered}
    if operation == "restart":
        return restart(supervisor, request)
    if operation == "configure":
        supervisor.configure(wanted_idle_timeout(request), wanted_suspension(request))
        return {
            "idleTimeoutSeconds": supervisor.kernel.idle_timeout_seconds or None,
            "suspended": SUSPENDED in supervisor.freezer.reasons,
        }
    if operation == "bind":
        return bind(supervisor, Binding(request, supervisor.keys[b"operator"]))
    if operation == "stop":
        supervisor.stop(STOP_SECONDS, "Stopped")
        return {}
    if operation == "status":
        if request.get("restarts") is True:
            supervisor.expect_restart()
        pid = supervisor.child.pid if supervisor.child else None
        return {**supervisor.kernel.snapshot().now(), "pid": pid, **supervisor.forks.status()}
    if operation == "usage":
        return usage()
    if operation == "output":
        return last_output(supervisor)
    raise RequestError(f"unknown op {operation!r}")


def restart(supervisor: "Any", request: "dict[str, Any]") -> "dict[str, Any]":
    """Replaces the kernel process."""
    generation, env = wanted_restart(request)
    if supervisor.kernel.claim == "":
        raise RequestError("the container is bound to no kernel yet")
    return {"started": supervisor.restart(generation, env)}


def last_output(supervisor: "Any") -> "dict[str, Any]":
    """What the kernel printed before it ended: for those who have its key, whoever asks."""
    key = supervisor.keys[b"connection"]
    if not key:
        raise RequestError("the container is bound to no kernel yet")
    generation, text = supervisor.last_output
    return {"generation": generation, "sealed": sealed(key, text, os.urandom(16))}


def bind(supervisor: "Any", binding: Binding) -> "dict[str, Any]":
    """Makes a member of a pool the container of one kernel, for ever; the same one again is no error."""
    if binding.claim == supervisor.kernel.claim:
        return supervisor.kernel.snapshot().now()  # type: ignore[no-any-return]
    if supervisor.kernel.state != "waiting" or supervisor.ending:
        raise RequestError("this container waits for no kernel")
    if binding.working_dir:
        try:
            os.makedirs(binding.working_dir, exist_ok=True)
            os.chdir(binding.working_dir)
        except OSError as error:
            raise RequestError(f"workingDir: {error}") from None
    supervisor.bind(binding)
    return supervisor.kernel.snapshot().now()  # type: ignore[no-any-return]
