"""Real kernels that need more memory than they have: they stand still, get it, and go on with their variables."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import UNTIL_IT_CAN_FORK, connected, reply_to, run
from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

Make = Callable[..., AsyncKernelManager]

MIB = 1 << 20
STEP_BY_STEP = f"""
filled = []
for _ in range(64):
    filled.append(bytearray(b"x") * (16 * {MIB}))
print(x, sum(map(len, filled)) // {MIB})
"""
AT_ONCE = f"""
filled = bytearray(b"x") * (300 * {MIB})
print(x, len(filled) // {MIB})
"""
WORKERS = f"""
import multiprocessing
def fill(number, done):
    filled = [bytearray(b"x") * (8 * {MIB}) for _ in range(25)]
    done.put(number)
    go.wait()
context = multiprocessing.get_context("fork")
go, done = context.Event(), context.Queue()
workers = [context.Process(target=fill, args=(number, done)) for number in range(4)]
[worker.start() for worker in workers]
found = sorted(done.get(timeout=80) for _ in workers)
go.set()
[worker.join() for worker in workers]
print(x, found, [worker.exitcode for worker in workers])
"""


@pytest.fixture
def start(make_manager: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``await start(most)``: a kernel with 350Mi, up to ``most``, that has a variable."""

    async def started(most: str) -> AsyncKernelManager:
        monkeypatch.setenv("KUBERNEL_MEMORY", "350Mi")
        monkeypatch.setenv("KUBERNEL_MEMORY_MAX", most)
        manager = make_manager()
        await manager.start_kernel()
        async with connected(manager) as client:
            await run(client, "x = 42")
        return manager

    return started


def limit(here: Kubectl) -> str:
    """The kernel's memory limit that is in force."""
    found: str = here.only("kernels")["status"]["resources"]["limits"]["memory"]
    return found


@pytest.mark.parametrize(
    ("cell", "printed"),
    [
        pytest.param(STEP_BY_STEP, "42 1024\n", id="step by step"),
        pytest.param(AT_ONCE, "42 300\n", id="at once"),
        pytest.param(WORKERS, "42 [0, 1, 2, 3] [0, 0, 0, 0]\n", id="worker processes"),
    ],
)
async def test_a_cell_that_needs_more_than_there_is(start: Any, here: Kubectl, cell: str, printed: str) -> None:
    manager = await start("4Gi")
    async with connected(manager) as client:
        assert await run(client, cell) == printed
        # A cell may fit in below the limit before anybody has looked; the next one would not.
        wait_until("more memory", lambda: limit(here) not in {"350Mi", "4Gi"}, seconds=60)
        assert await manager.is_alive()
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=60)
    assert here.only("kernels")["status"]["podIncarnation"] == 1
    assert limit(here) not in {"350Mi", "4Gi"}


async def test_a_forked_kernel(make_manager: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that forks it, which is ended for want of memory, is not missed."""
    for name, value in {"MEMORY": "600Mi", "MEMORY_MAX": "4Gi"}.items():
        monkeypatch.setenv(f"KUBERNEL_{name}", value)
    manager = make_manager()
    await manager.start_kernel()
    async with connected(manager) as client:
        for _ in range(2):
            await run(client, UNTIL_IT_CAN_FORK)
            await manager.restart_kernel()
            await client.wait_for_ready(timeout=60)
        assert await run(client, "x = 42" + STEP_BY_STEP) == "42 1024\n"


async def test_more_than_its_max_is_told_before_it_is_interrupted(start: Any, here: Kubectl) -> None:
    manager = await start("450Mi")
    async with connected(manager) as client:
        asked = client.execute(STEP_BY_STEP, stop_on_error=False)
        here("wait", "--for=condition=Suspended", "--timeout=60s", "kernel", "--all")
        status = here.only("kernels")["status"]
        assert "It may grow by itself to 450Mi and no further" in status["message"]
        assert await manager.is_alive()
        assert (await reply_to(client, asked))["ename"] == "KeyboardInterrupt"
        assert await run(client, "del filled; print(x)") == "42\n"
    here("wait", "--for=condition=Suspended=False", "--timeout=60s", "kernel", "--all")


async def test_more_by_hand_while_it_stands_still(start: Any, here: Kubectl) -> None:
    manager = await start("360Mi")
    async with connected(manager) as client:
        asked = client.execute(AT_ONCE, stop_on_error=False)
        here("wait", "--for=condition=Suspended", "--timeout=60s", "kernel", "--all")
        await manager.provisioner.resize(memory="1Gi")
        assert (await reply_to(client, asked))["status"] == "ok"
        assert await run(client, "print(x)") == "42\n"


async def test_what_it_uses_is_seen(start: Any, here: Kubectl) -> None:
    manager = await start("4Gi")
    memory = here.only("kernels")["status"]["memory"]
    assert memory["limit"] == "350Mi"
    assert memory["usage"].endswith("Mi")
    row = here("get", "kernels", "-o", "wide").stdout.splitlines()
    assert "MEMORY" in row[0]
    assert memory["usage"] in row[1]
    assert await asyncio.wait_for(manager.is_alive(), 10)
