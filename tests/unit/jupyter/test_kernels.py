"""Starts that nobody waits for: cancelled, failed, tried again. Those of other provisioners are waited for."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import zmq

from fixtures.fake_api_server import instance
from fixtures.waiting import until
from kubernel_jupyter.kernels import KubernelKernelManager, StartCancelledError, taking_up
from kubernel_jupyter.sessions import starting_for
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.errors import KernelDeletedError
from kubernel_provisioner.launch.claiming import Left

from .conftest import Pending, started

# https://rfc.zeromq.org/spec/23/: signature, version, mechanism, whether it is a server
GREETING_OF_CURVE = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + b"\x01" + bytes(31)
READY = [{"type": "Ready", "status": "True"}]


async def test_a_start_is_not_waited_for(kernels: KubernelKernelManager) -> None:
    kernel_id = await started(kernels)
    assert kernels.is_pending(kernel_id)
    assert kernels.kernel_model(kernel_id)["execution_state"] == "starting"
    assert not kernels.use_pending_kernels  # for anybody else


async def test_another_provisioners_start_is(kernels: KubernelKernelManager) -> None:
    with pytest.raises(RuntimeError, match="no such program"):
        await kernels.start_kernel(kernel_name="other")
    assert kernels.list_kernels() == []


async def test_a_shutdown_cancels_it(kernels: KubernelKernelManager) -> None:
    kernel_id = await started(kernels)
    ready = kernels.get_kernel(kernel_id).ready
    await kernels.shutdown_kernel(kernel_id)
    assert Pending.starts[0].outcome.cancelled()
    assert isinstance(ready.exception(), StartCancelledError)
    assert kernel_id not in kernels
    assert not kernels.is_ours(kernel_id)


class Page:
    """Waits for the kernel."""

    def __init__(self) -> None:
        self.is_asked, self.has_read = asyncio.Event(), asyncio.Event()

    def interrupt(self) -> None:
        """Nothing waits."""

    async def is_told(self) -> None:
        self.is_asked.set()
        await self.has_read.wait()


async def test_a_cancelled_start_has_not_failed(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although its pages are given a moment, in which it is still there."""
    told: list[str] = []
    monkeypatch.setattr("kubernel_jupyter.events.Announcer.failed", lambda _, message: told.append(message))
    kernel_id = await started(kernels)
    page = Page()
    page.has_read.set()
    kernels.waiting_pages[kernel_id] = {page}
    await kernels.shutdown_kernel(kernel_id)
    assert kernel_id not in kernels
    assert told == []


async def test_whoever_cancels_a_start_has_the_answer_after_its_pages(kernels: KubernelKernelManager) -> None:
    """JupyterLab drops what comes later."""
    kernel_id = await started(kernels)
    ready, pages = kernels.get_kernel(kernel_id).ready, [Page(), Page()]
    kernels.waiting_pages[kernel_id] = set(pages)
    shutdown = asyncio.ensure_future(kernels.shutdown_kernel(kernel_id))
    for page in pages:
        await page.is_asked.wait()
        assert ready.done()
        assert not shutdown.done()
        page.has_read.set()
    await shutdown


async def test_a_page_that_does_not_answer_holds_up_nobody(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernel_jupyter.pages.TOLD_SECONDS", 0.0)
    kernel_id = await started(kernels)
    kernels.waiting_pages[kernel_id] = {Page()}
    await kernels.shutdown_kernel(kernel_id)
    assert kernel_id not in kernels


async def test_one_that_fails_is_dead_and_can_be_tried_again(kernels: KubernelKernelManager) -> None:
    kernel_id = await started(kernels)
    Pending.starts[0].outcome.set_exception(RuntimeError("no room"))
    await until("its end", lambda: kernels.kernel_model(kernel_id)["execution_state"] == "dead")
    assert kernels.kernel_model(kernel_id)["reason"] == "no room"
    assert await kernels.restart_kernel(kernel_id) is None
    ready = kernels.get_kernel(kernel_id).ready  # a page may ask at once
    await until("another start", lambda: len(Pending.starts) == 2)
    assert kernels.get_kernel(kernel_id).ready is ready
    model = kernels.kernel_model(kernel_id)
    assert (model["execution_state"], model.get("reason")) == ("starting", None)
    assert not kernels.try_again(kernel_id)  # it is on its way


async def test_a_restart_of_one_that_starts_changes_nothing(kernels: KubernelKernelManager) -> None:
    kernel_id = await started(kernels)
    assert await kernels.restart_kernel(kernel_id) is None
    assert len(Pending.starts) == 1


async def test_a_shutdown_ends_one_that_restarts(kernels: KubernelKernelManager) -> None:
    """As after a crash, when a restart is under way by itself."""
    kernel_id = await started(kernels)
    Pending.starts[0].outcome.set_result(None)
    kernel = kernels.get_kernel(kernel_id)
    await kernel.ready
    restart = asyncio.create_task(kernel.restart_kernel(now=True))
    await until("a restart", lambda: len(Pending.starts) == 2)
    await kernels.shutdown_kernel(kernel_id)
    assert kernel_id not in kernels
    with pytest.raises(KernelDeletedError):
        await restart


@pytest.mark.parametrize(
    "told",
    [
        lambda kernels, kernel_id: kernels.interrupt_kernel(kernel_id),
        lambda kernels, kernel_id: kernels.restart_kernel(kernel_id, now=True),
        lambda kernels, kernel_id: kernels.shutdown_kernel(kernel_id, now=True),
    ],
    ids=["interrupt", "restart", "shutdown"],
)
async def test_a_kernel_that_speaks_otherwise_holds_nothing_up(
    kernels: KubernelKernelManager, told: Callable[[KubernelKernelManager, str], Awaitable[None]]
) -> None:
    """ZMQ has given the connection up, and would wait with whatever is sent until there is another one."""
    kernel_id = await started(kernels)
    Pending.starts[0].outcome.set_result(None)
    kernel = kernels.get_kernel(kernel_id)
    await kernel.ready
    with socket.create_server(("127.0.0.1", 0)) as encrypted:
        kernel.ip, kernel.control_port = encrypted.getsockname()
        kernel._close_control_socket()
        kernel._connect_control_socket()
        given_up = zmq.Socket.shadow(kernel._control_socket)
        given_up.sndtimeo = 500  # without that this test would not end when it fails
        with encrypted.accept()[0] as connection:
            connection.sendall(GREETING_OF_CURVE)
            await until("ZMQ to give it up", lambda: not given_up.poll(0, zmq.POLLOUT))
        done = asyncio.create_task(told(kernels, kernel_id))
        await until("the next start, or the end", lambda: done.done() or len(Pending.starts) == 2)
        for restarted in Pending.starts[1:]:
            restarted.outcome.set_result(None)
        await done


async def test_a_notebooks_name_that_comes_early(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before there is a KernelInstance to write it on: it is written later."""
    monkeypatch.setattr("kubernel_jupyter.kernels.NEWS_SECONDS", 0.01)
    is_made, noted = False, []

    def note(_: Pending, session: dict[str, Any]) -> bool:
        if is_made:
            noted.append(session)
        return is_made

    monkeypatch.setattr(Pending, "note_session", note)
    kernel_id = await started(kernels)
    kernels.note_session(kernel_id, {"path": "uuid"})
    kernels.note_session(kernel_id, {"path": "a.ipynb"})
    is_made = True
    await until("the name", lambda: noted)
    assert noted == [{"path": "a.ipynb"}]


async def test_a_notebooks_name_at_the_next_start(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterLab asks for a kernel under a name that it makes up, and says the notebook's own a moment later."""
    given: list[Any] = []

    async def pre_launch(self: Pending, **kwargs: Any) -> dict[str, Any]:
        given.append(kwargs.get("kubernel_session"))
        return {"cmd": []}

    monkeypatch.setattr(Pending, "pre_launch", pre_launch)
    monkeypatch.setattr(Pending, "note_session", lambda *_: True)
    token = starting_for.set({"path": "uuid"})
    kernel_id = await started(kernels)
    starting_for.reset(token)
    kernels.note_session(kernel_id, {"path": "a.ipynb"})
    Pending.starts[0].outcome.set_exception(RuntimeError("no room"))
    await until("its end", lambda: kernels.kernel_model(kernel_id)["execution_state"] == "dead")
    await kernels.restart_kernel(kernel_id)
    await until("another start", lambda: len(Pending.starts) == 2)
    assert given == [{"path": "uuid"}, {"path": "a.ipynb"}]


async def test_one_that_waits_is_not_culled(kernels: KubernelKernelManager) -> None:
    """However long it waits for room: nobody could use it, and its cells wait, too."""
    kernels.cull_idle_timeout, kernels.cull_connected = 60, True
    kernel_id = await started(kernels)
    kernel = kernels.get_kernel(kernel_id)
    kernel.last_activity -= timedelta(hours=1)
    await kernels.cull_kernels()
    assert kernel_id in kernels
    Pending.starts[0].outcome.set_result(None)
    await until("the kernel", lambda: kernel_id in kernels._kernel_ports)
    kernel.last_activity -= timedelta(hours=1)
    await kernels.cull_kernels()
    assert kernel_id not in kernels


async def test_all_are_cancelled_in_the_end(kernels: KubernelKernelManager) -> None:
    await started(kernels)
    await started(kernels, 2)
    Pending.starts[1].outcome.set_exception(RuntimeError("no room"))
    await until("its end", lambda: "dead" in [model["execution_state"] for model in kernels.list_kernels()])
    await kernels.shutdown_all()
    assert kernels.list_kernels() == []


async def test_how_many_were_taken_up_is_said_when_all_are_settled(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernel_jupyter.kernels.find_out_state", lambda kernel: None)
    assert kernels.taken_up == 0
    for number, kernel_id in enumerate(("one", "two"), 1):
        token = taking_up.set(Left(instance(conditions=READY), kernel_id, "kubernel", None))
        await kernels.start_kernel(kernel_name="kubernel")
        taking_up.reset(token)
        await until("a start", lambda number=number: len(Pending.starts) == number)
    assert kernels.taken_up is None
    Pending.starts[0].outcome.set_result(None)
    await until("one", lambda: not kernels.is_pending("one"))
    assert kernels.taken_up is None
    Pending.starts[1].outcome.set_exception(KernelDeletedError("Another server was faster."))
    await until("both", lambda: kernels.taken_up is not None)
    assert kernels.taken_up == 1
    assert kernels.list_kernel_ids() == ["one"]


class Dead(KubernetesProvisioner):
    """Of a kernel that was killed."""

    is_over = False
    notebook = "training.ipynb"

    def describe_end(self) -> str:
        return "OOMKilled"

    async def hear_last_output(self) -> str:  # type: ignore[override]
        return ""

    async def cleanup(self, restart: bool = False) -> None:
        self.is_gone = not restart


@pytest.mark.parametrize(("pages", "told"), [(0, "OOMKilled"), (1, "")])
async def test_a_death_that_no_page_saw_is_kept(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch, pages: int, told: str
) -> None:
    kernel_id = await started(kernels)
    dead = Dead()
    monkeypatch.setattr(kernels, "provisioner_of", {kernel_id: dead}.get)
    monkeypatch.setitem(kernels._kernel_connections, kernel_id, pages)
    kernels._note_death(kernel_id)
    assert kernels.unseen.taken(kernel_id) == told
    kernels._note_end(kernel_id)
    token = starting_for.set({"path": "uuid"})  # JupyterLab says the true one a moment later
    following = await kernels.start_kernel(kernel_name="kubernel")
    starting_for.reset(token)
    kernels.note_session(following, {"path": "training.ipynb"})
    assert kernels.unseen.taken(following) == told
    await until("its deletion", lambda: getattr(dead, "is_gone", False))


@pytest.mark.parametrize("by_itself", [True, False], ids=["death", "restart"])
async def test_one_that_was_busy_is_not_after_a_restart(
    kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch, by_itself: bool
) -> None:
    """What it says of that itself is missed now and then; a new page of a busy one would miss the first replies."""
    kernel_id = await started(kernels)
    Pending.starts[0].outcome.set_result(None)
    await until("the kernel", lambda: kernel_id in kernels._kernel_ports)
    kernel = kernels.get_kernel(kernel_id)
    kernel.execution_state = "busy"
    if by_itself:
        monkeypatch.setattr(kernels, "provisioner_of", {kernel_id: Dead()}.get)
        kernels._note_death(kernel_id)
        monkeypatch.undo()
    else:
        restart = asyncio.create_task(kernels.restart_kernel(kernel_id, now=True))
        await until("the other half", lambda: len(Pending.starts) == 2)
        Pending.starts[1].outcome.set_result(None)
        await restart
    assert kernel.execution_state == "starting"


async def test_other_amounts_are_told(kernels: KubernelKernelManager, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("kubernel_jupyter.events.Announcer.resized", lambda _, amounts: told.append(amounts))
    monkeypatch.setattr("kubernel_jupyter.kernels.NEWS_SECONDS", 0.0)
    in_force: dict[str, Any] = {}
    monkeypatch.setattr(Pending, "amounts", property(lambda _: dict(in_force)), raising=False)
    kernel_id = await started(kernels)
    kernels.get_kernel(kernel_id).ready.set_result(None)
    watching = asyncio.create_task(kernels._watch_amounts())
    for memory in ("1Gi", "1Gi", "2Gi"):
        in_force["limits"] = {"memory": memory}
        await until(memory, lambda: kernels._amounts.get(kernel_id) == in_force)
    assert told == [{"limits": {"memory": "2Gi"}}]
    watching.cancel()


def test_kernels_are_kept_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not KubernelKernelManager().keep_kernels_on_shutdown
    monkeypatch.setenv("KUBERNEL_KEEP_KERNELS", "1")
    assert KubernelKernelManager().keep_kernels_on_shutdown
