"""The first stage: from the container's environment to a running kernel, with as few imports as possible."""

import _signal  # type: ignore[import-not-found]  # see launch.py
import _socket  # what ``socket`` wraps, which imports enum, too
import os
import sys

from .console import StartError, log
from .launch import Child, Launcher
from .protection import SECRET_NAMES, adopt_orphans, hide_secrets, take_environment
from .settings import Settings

BLOCKED_AT_START = {_signal.SIGTERM, _signal.SIGINT, _signal.SIGCHLD}


def first_start() -> "tuple[Launcher, Child | None, StartError | None]":
    """From the environment to a running kernel, or why there is none. A member of a pool starts none yet."""
    # As PID 1 a signal without handler is lost: those that come before the second stage wait for it.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, BLOCKED_AT_START)
    taken = take_environment()
    settings = Settings(taken) if {"config", "pod_ips"} <= set(taken) else None
    if settings is None or not (settings.is_member or "key" in taken):
        log("KUBERNEL_CONFIG, KUBERNEL_KEY or KUBERNEL_POD_IPS is missing: only the operator starts this container")
        os._exit(2)
    hide_secrets(taken)
    adopt_orphans()
    launcher = Launcher(sys.argv[1:], settings, {name: taken.get(name, "") for name in SECRET_NAMES})
    launcher.control_listener = listener(settings)
    if settings.is_member:
        return launcher, None, None
    try:
        return launcher, launcher.start(), None
    except StartError as error:
        return launcher, None, error


def listener(settings: Settings) -> int:
    """The descriptor that listens on the control port; -1: there is none.

    From before the kernel's start: who finds the kernel's ports open, and this one not, knows that there is no
    supervisor. Whoever comes before the second stage waits for it.
    """
    family = _socket.AF_INET6 if ":" in settings.any_address else _socket.AF_INET
    made = _socket.socket(family)
    try:
        made.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        made.bind((settings.any_address, settings.control_port))
        made.listen(128)
    except OSError as error:
        made.close()
        log(f"no control port ({error}): no signals, no restart in place")
        return -1
    return made.detach()
