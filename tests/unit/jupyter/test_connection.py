"""A page's websocket to a kernel, with a kernel's sockets at the other end."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from fixtures.fake_api_server import instance
from fixtures.speaking_kernel import speaking
from fixtures.waiting import until
from kubernel_jupyter.connection import KubernelConnection
from kubernel_jupyter.kernels import KubernelKernelManager, taking_up
from kubernel_provisioner.launch.claiming import Left

from .conftest import Pending, started

READY = [{"type": "Ready", "status": "True"}]
OPEN_SECONDS = 5.0  # a page that waits for nobody is open long before


class Handler(KernelWebsocketHandler):
    """The server's end of a page's websocket.

    Attributes:
        sent: to the page.
    """

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.is_closed = False

    def write_message(self, message: Any, binary: bool = False) -> Any:
        self.sent.append(json.loads(message))

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.is_closed = True


class Page:
    """A page, as the server sees it."""

    def __init__(self, kernels: KubernelKernelManager, kernel_id: str) -> None:
        self.handler = Handler()
        self.connection = KubernelConnection(parent=kernels.get_kernel(kernel_id), websocket_handler=self.handler)

    async def open(self) -> None:
        """Returns when the server reads what the page sends."""
        await self.connection.prepare()
        await self.connection.connect()

    async def open_at_once(self) -> None:
        """It is open before long."""
        opening = asyncio.create_task(self.open())  # no `timeout`: jupyter_server takes its end for success
        await until("an open page", opening.done, seconds=OPEN_SECONDS)
        await opening

    def run(self, code: str) -> None:
        """Sends a cell."""
        header = {"msg_id": code, "msg_type": "execute_request", "session": "s", "username": "u", "version": "5.4"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": {"code": code}, "channel": "shell"}
        self.connection.handle_incoming_message(json.dumps(message))

    @property
    def states(self) -> list[str]:
        """What the kernel does, as it is told."""
        told = [message["content"] for message in self.handler.sent if message["msg_type"] == "status"]
        return [content["execution_state"] for content in told]

    @property
    def shows(self) -> list[str]:
        """What cells print."""
        return [message["content"]["text"] for message in self.handler.sent if message["msg_type"] == "stream"]


@pytest.fixture(autouse=True)
async def _nobody_else(kernels: KubernelKernelManager) -> AsyncIterator[None]:
    """Pages are gone before their kernels."""
    yield
    for connection in list(KubernelConnection._open_sockets):
        connection.disconnect()


async def placed(kernels: KubernelKernelManager) -> tuple[str, Any]:
    """A kernel that starts, and knows its ports already."""
    kernel_id = await started(kernels)
    kernel = kernels.get_kernel(kernel_id)
    kernel.write_connection_file()
    return kernel_id, kernel


async def left(kernels: KubernelKernelManager) -> tuple[str, Any]:
    """One that an earlier server has left, and that is being taken up."""
    token = taking_up.set(Left(instance(conditions=READY), "left", "kubernel", None))
    try:
        return await placed(kernels)
    finally:
        taking_up.reset(token)


async def test_what_is_sent_to_a_pending_kernel_runs_later(kernels: KubernelKernelManager) -> None:
    kernel_id, kernel = await placed(kernels)
    async with speaking(kernel):
        page = Page(kernels, kernel_id)
        await page.open()
        page.run("first")
        page.run("second")
        Pending.starts[0].outcome.set_result(None)
        await until("both", lambda: page.shows == ["first", "second"])


async def test_what_cannot_be_read_keeps_nothing_else_from_the_kernel(kernels: KubernelKernelManager) -> None:
    kernel_id, kernel = await placed(kernels)
    async with speaking(kernel):
        page = Page(kernels, kernel_id)
        await page.open()
        page.run("first")
        page.connection.handle_incoming_message("no JSON")
        page.run("second")
        Pending.starts[0].outcome.set_result(None)
        await until("both", lambda: page.shows == ["first", "second"])


async def test_a_cell_for_a_kernel_that_was_just_taken_up(kernels: KubernelKernelManager) -> None:
    """What it prints arrives: a page is not open before the kernel's outputs reach it.

    jupyter_server takes that for granted where a kernel is busy, and it is only thought to be.
    """
    kernel_id, kernel = await left(kernels)
    async with speaking(kernel, hears=("shell", "control", "stdin")) as far:
        far.slow_for[kernel.session.session] = 0.2  # who asks what it does
        page = Page(kernels, kernel_id)
        await page.open()
        page.run("x")
        Pending.starts[0].outcome.set_result(None)
        await until("the second thing that it does", lambda: len(far.heard) > 1)
        far.bind("iopub")  # its way is longer
        await until("what the cell prints", lambda: page.shows == ["x"])


@pytest.mark.parametrize("is_early", [True, False], ids=["before it is ready", "afterwards"])
async def test_a_kernel_that_was_taken_up_in_the_middle_of_a_cell(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch, is_early: bool
) -> None:
    """Pages see at once what it prints, and it is busy until the cell has ended."""
    monkeypatch.setattr("kubernel_jupyter.occupied.ANSWER_SECONDS", 0.05)
    kernel_id, kernel = await left(kernels)
    async with speaking(kernel) as far:
        far.is_free.clear()
        page = Page(kernels, kernel_id)
        if is_early:
            await page.open()
        Pending.starts[0].outcome.set_result(None)
        await until("the kernel", lambda: kernel.execution_state == "busy")
        if not is_early:
            await page.open_at_once()

        def is_heard() -> bool:
            far.say("stream", {"name": "stdout", "text": "x"})
            return page.shows != []

        await until("what it prints", is_heard, seconds=OPEN_SECONDS)
        assert kernel.execution_state == "busy"
        far.is_free.set()
        await until("the cell's end", lambda: kernel.execution_state == "idle")


async def test_a_page_that_is_gone_while_its_kernel_answers_for_the_first_time(kernels: KubernelKernelManager) -> None:
    """The next one need not wait for an answer that nobody will give."""
    kernel_id, kernel = await placed(kernels)
    async with speaking(kernel) as far:
        far.is_free.clear()
        page = Page(kernels, kernel_id)
        await page.open()
        Pending.starts[0].outcome.set_result(None)
        await until("its question", lambda: page.connection.kernel_info_channel is not None)
        page.connection.disconnect()
        await asyncio.sleep(0)
        far.is_free.set()
        following = Page(kernels, kernel_id)
        await following.open_at_once()
        following.run("x")
        await until("what its cell prints", lambda: following.shows == ["x"])


async def test_a_page_that_is_opened_while_its_kernel_is_paused(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read, and its cell says why nothing happens; the cell runs when the kernel goes on."""
    monkeypatch.setattr("kubernel_jupyter.connection.PROGRESS_SECONDS", 0.01)
    why = ""
    monkeypatch.setattr(Pending, "why_suspended", property(lambda _: why))
    kernel_id, kernel = await placed(kernels)
    async with speaking(kernel) as far:
        Pending.starts[0].outcome.set_result(None)
        first = Page(kernels, kernel_id)
        await first.open()
        first.run("first")
        await until("its end", lambda: first.shows == ["first"] and kernel.execution_state == "idle")
        far.goes_on.clear()
        why = "The kernel is paused."
        page = Page(kernels, kernel_id)
        await page.open_at_once()
        page.run("x")
        await until("a word of it", lambda: why in json.dumps(page.handler.sent))
        far.goes_on.set()
        await until("what its cell prints", lambda: page.shows == ["x"])


@pytest.mark.parametrize("by_hand", [True, False], ids=["restart", "cell"])
async def test_another_page_of_a_kernel_that_did_not_start(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    """It has the kernel, too, when that is started anew, and does not start it once more when that fails, too."""
    monkeypatch.setattr("kubernel_jupyter.connection.PROGRESS_SECONDS", 0.01)
    kernel_id, kernel = await placed(kernels)
    page, other = Page(kernels, kernel_id), Page(kernels, kernel_id)
    await page.open()
    await other.open()
    async with speaking(kernel):
        for number in range(2):
            Pending.starts[number].outcome.set_exception(RuntimeError("no room"))
            for each in (page, other):
                await until("its end", lambda each=each, number=number: each.states.count("unknown") == number + 1)
            await asyncio.sleep(0.05)
            assert len(Pending.starts) == number + 1
            if by_hand:
                await kernels.restart_kernel(kernel_id)
            else:
                page.run("x")
            await until("another start", lambda number=number: len(Pending.starts) == number + 2)
        Pending.starts[2].outcome.set_result(None)
        await until("both", lambda: page.connection.held is None and other.connection.held is None)


async def test_another_page_of_a_kernel_that_did_not_start_and_is_shut_down(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernel_jupyter.connection.PROGRESS_SECONDS", 0.01)
    kernel_id, _ = await placed(kernels)
    page = Page(kernels, kernel_id)
    await page.open()
    Pending.starts[0].outcome.set_exception(RuntimeError("no room"))
    await until("its end", lambda: "unknown" in page.states)
    await kernels.shutdown_kernel(kernel_id)
    await until("a word of it", lambda: page.states[-1] == "dead")


async def test_a_page_that_comes_while_its_kernel_restarts(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told what a long restart waits for, and for how long it has: a restart is a shutdown, and a start."""
    monkeypatch.setattr("kubernel_jupyter.connection.PROGRESS_SECONDS", 0.01)
    monkeypatch.setattr(Pending, "why_waiting", ("", "no room"))
    kernel_id, kernel = await placed(kernels)
    async with speaking(kernel):
        Pending.starts[0].outcome.set_result(None)
        await until("the kernel", lambda: kernel_id in kernels._kernel_ports)
        kernels._ours[kernel_id] -= 3600.0
        restart = asyncio.create_task(kernels.restart_kernel(kernel_id, now=True))
        await until("the first half", lambda: kernels.is_pending(kernel_id))
        page = Page(kernels, kernel_id)
        await page.open()
        page.run("x")
        await until("the second half", lambda: len(Pending.starts) == 2)
        sent = len(page.handler.sent)
        await until("news", lambda: "starting, 0:01: no room" in json.dumps(page.handler.sent[sent:]))
        Pending.starts[1].outcome.set_result(None)
        await restart
        await until("what the cell prints", lambda: page.shows == ["x"])


async def test_a_cell_that_ended_before_its_kernel_was_taken_up(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its page may come, and name it, before the kernel is there: it ends when the kernel has answered."""
    monkeypatch.setattr("kubernel_jupyter.connection.PROGRESS_SECONDS", 0.01)
    kernel_id, kernel = await left(kernels)
    async with speaking(kernel):
        page = Page(kernels, kernel_id)
        await page.open()
        found = KubernelConnection.of_page(kernel_id, page.connection.session.session)
        assert found is page.connection
        found.waits_for([{"msg_id": "lost", "msg_type": "execute_request"}])
        Pending.starts[0].outcome.set_result(None)
        await until("its end", lambda: "ConnectionLost" in json.dumps(page.handler.sent))
