"""The first stage: from the container's environment to a running kernel, with as few imports as possible."""

import _signal  # type: ignore[import-not-found]  # see launch.py
import os
import sys

from .console import StartError, log
from .launch import Launcher
from .protection import hide_secrets, take_environment
from .settings import Settings

BLOCKED_AT_START = {_signal.SIGTERM, _signal.SIGINT, _signal.SIGCHLD}


def first_start() -> "tuple[Launcher, int | None, StartError | None]":
    """From the environment to a running kernel, or why there is none."""
    # As PID 1 a signal without handler is lost: those that come before the second stage wait for it.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, BLOCKED_AT_START)
    taken = take_environment()
    if "config" not in taken or "key" not in taken:
        log("KUBERNEL_CONFIG and KUBERNEL_KEY are missing: only the kubernel operator starts this container")
        os._exit(2)
    settings = Settings(taken.pop("config"))
    hide_secrets(taken)
    launcher = Launcher(sys.argv[1:], settings, taken)
    try:
        return launcher, launcher.start({}), None
    except StartError as error:
        return launcher, None, error
