"""``python -m kubernel_operator``: runs the operator until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import sys

import uvloop

from kubernel_cluster.errors import NoLoginError

from .edge.logs import configure_logging
from .process import run
from .settings import SettingsError, load_settings

SWITCH_SECONDS = 0.0005


def main() -> int:
    """Exit code 0 after a signal, 2 for a wrong option."""
    try:
        settings = load_settings(sys.argv[1:])
        configure_logging(settings)
        # What was imported stays. To look through it again and again took a third of the CPU of a start with 10,000
        # kernels, whose objects come and go by the million.
        gc.collect()
        gc.freeze()
        # Watches have a thread of their own, which goes on after it has handed an event over: it would keep the
        # interpreter for up to 5 ms by default.
        sys.setswitchinterval(SWITCH_SECONDS)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(settings))
    except (SettingsError, NoLoginError) as error:
        print(f"kubernel-operator: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
