"""The edge to kopf, as far as it can be seen without an API server."""

import asyncio
import logging

import aiohttp
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


@pytest.mark.parametrize(
    ("error", "level"),
    [
        pytest.param(aiohttp.ClientConnectionError("cut"), logging.DEBUG, id="a connection that broke"),
        pytest.param(asyncio.CancelledError(), logging.DEBUG, id="cancelled"),
        pytest.param(KeyError("bug"), logging.WARNING, id="a fault in a task"),
        pytest.param(None, logging.WARNING, id="no exception"),
    ],
)
def test_only_known_endings_are_told_quietly(
    error: BaseException | None, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    handlers.log_unhandled({"message": "Task exception was never retrieved"} | ({"exception": error} if error else {}))
    assert [(record.levelno, "never retrieved" in record.message) for record in caplog.records] == [(level, True)]


def test_sessions_that_kopf_leaves_open_are_told_quietly(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    handlers.log_unhandled({"message": "Unclosed client session"})
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]
