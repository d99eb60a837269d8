"""A real kernel stands still while it is paused, keeps its variables, and can be restarted and shut down."""

import asyncio
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from kubernel_provisioner.commands.cli import main

#: Counts in the background, so that standing still shows.
COUNT = """
import threading, time
x, ticks = 42, 0
def count():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.01)
threading.Thread(target=count, daemon=True).start()
"""


def suspended(here: Kubectl) -> tuple[str, str]:
    (found,) = [c for c in here.only("kernels")["status"]["conditions"] if c["type"] == "Suspended"]
    return found["status"], found["reason"]


async def test_pause_and_continue(manager: AsyncKernelManager, here: Kubectl) -> None:
    provisioner: Any = manager.provisioner
    async with connected(manager) as client:
        await run(client, COUNT)
        await provisioner.pause()
        assert suspended(here) == ("True", "Paused")
        assert await manager.is_alive()
        before = (await provisioner.usage())["cpuSeconds"]
        asked = client.execute("print(x)")
        assert (await provisioner.usage())["cpuSeconds"] == before
        await provisioner.resume()
        assert suspended(here) == ("False", "Running")
        async with asyncio.timeout(60):
            while (await client.get_shell_msg())["parent_header"].get("msg_id") != asked:
                pass
        assert await run(client, "print(x)") == "42\n"


async def test_a_restart_lets_it_go_on(manager: AsyncKernelManager, here: Kubectl) -> None:
    provisioner: Any = manager.provisioner
    async with connected(manager) as client:
        await provisioner.pause()
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
        assert await run(client, "print(1)") == "1\n"
    assert here.only("kernels")["spec"]["suspend"] is False


async def test_a_paused_kernel_is_shut_down(manager: AsyncKernelManager) -> None:
    provisioner: Any = manager.provisioner
    await provisioner.pause()
    await manager.shutdown_kernel(now=True)
    assert not await manager.is_alive()


async def test_by_command(
    manager: AsyncKernelManager, here: Kubectl, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = here.only("kernels")["metadata"]["name"]
    assert await asyncio.to_thread(main, ["pause", name, "-n", namespace]) == 0
    assert "is paused: its memory is kept" in capsys.readouterr().out
    assert suspended(here) == ("True", "Paused")
    assert await asyncio.to_thread(main, ["resume", name, "-n", namespace]) == 0
    assert "goes on" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["pause", "nobody", "-n", namespace]) == 1
    assert "There is no kernel nobody in namespace" in capsys.readouterr().err
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"
