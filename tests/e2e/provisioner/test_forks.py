"""Restarts by fork in a real pod, as nobody has asked for: as its own user, without rights, with a memory limit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import UNTIL_IT_CAN_FORK, connected, run, until_ended

FACTS = """
import gc, os
print(gc.get_freeze_count() > 0, os.getpid() == os.getpgrp() == os.getsid(0), os.getuid() > 0)
own, of_supervisor = (int(open(f'/proc/{pid}/oom_score_adj').read()) for pid in ('self', 1))
print(own == min(of_supervisor + 300, 1000), open('/proc/self/cmdline').read().split(chr(0))[1:3])
"""


async def restart_by_fork(manager: AsyncKernelManager) -> None:
    """Restarts the kernel as soon as that is a fork, and sees that it was one."""
    async with connected(manager) as client:
        await run(client, UNTIL_IT_CAN_FORK)
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
        assert await run(client, FACTS) == "True True True\nTrue ['-m', 'ipykernel_launcher']\n"


async def test_it_is_forked_again_and_again_and_killed(manager: AsyncKernelManager) -> None:
    for _ in range(3):
        await restart_by_fork(manager)
    async with connected(manager) as client:
        client.execute("import os; os.kill(os.getpid(), 9)")
        assert await until_ended(manager) == -9


async def test_it_ran_out_of_memory(
    make_manager: Callable[..., AsyncKernelManager], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KUBERNEL_MEMORY", "600Mi")
    manager = make_manager()
    await manager.start_kernel()
    await restart_by_fork(manager)
    async with connected(manager) as client:
        client.execute("hold = []\nwhile True: hold.append(bytes(64 << 20).replace(bytes(1), b'x'))")
        assert await until_ended(manager) == -9
    assert "ended with -9: " in caplog.text
    assert "(OOMKilled)" in caplog.text
