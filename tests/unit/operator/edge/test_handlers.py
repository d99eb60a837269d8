"""The edge to kopf, as far as it can be seen without an API server."""

import asyncio

import pytest

from kubernel_operator.edge import handlers


async def test_a_task_that_swallows_its_cancellation_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "CANCEL_SECONDS", 0.01)
    cancelled: list[bool] = []

    async def deaf() -> None:
        while len(cancelled) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await handlers.end_all_tasks()
    assert (task.done(), len(cancelled)) == (True, 3)
