"""Whether a kernel that was taken up does something: nobody knows before it answers, or does not."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

# One that does nothing answers at once.
ANSWER_SECONDS = 1.0


def let_pages_wait(kernel: Any) -> None:
    """Pages are not connected before it is known what the kernel does; ``find_out_state`` is to follow.

    jupyter_server connects a page to a busy kernel without making sure that its outputs arrive, which of one that is
    only thought to be busy some do not. Before that it waits for this future, which else is the first page's own
    question: one that a kernel in the middle of a cell leaves open, and holds the page up for a minute.
    """
    kernel._kernel_info_future = Future()


def find_out_state(kernel: Any) -> None:
    """Busy until it answers: it may be in the middle of a cell, and must not be culled."""
    kernel.execution_state = "busy"
    shell, is_known = kernel.connect_shell(), kernel._kernel_info_future

    def let_pages_in() -> None:
        if not is_known.done():
            is_known.set_result({})

    def settled(_: Any) -> None:
        """It has answered, or has ended its cell, or was restarted: then nobody answers."""
        kernel.unobserve(settled, "execution_state")
        shell.close()
        let_pages_in()

    kernel.observe(settled, "execution_state")
    shell.on_recv(lambda _: kernel.set_trait("execution_state", "idle"))
    kernel.session.send(shell, "kernel_info_request")
    asyncio.get_running_loop().call_later(ANSWER_SECONDS, let_pages_in)
