"""nbclient in this process, as services that run notebooks use it."""

import asyncio
from typing import Any

import nbformat
import pytest
from jupyter_client.connect import port_names
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from fixtures.link import HOST, Link
from fixtures.waiting import until, wait_until
from kubernel_provisioner.errors import KernelFailedError

pytestmark = pytest.mark.usefixtures("on_the_cluster")
SECONDS = 90.0


def notebook(*sources: str) -> nbformat.NotebookNode:
    cells = [
        {"cell_type": "code", "id": str(n), "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for n, s in enumerate(sources)
    ]
    return nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})  # type: ignore[no-untyped-call]


def printed(book: nbformat.NotebookNode) -> list[str]:
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in book.cells]


def test_a_notebook() -> None:
    book = notebook("x = 6", "print(x * 7)")
    NotebookClient(book, kernel_name="python3").execute()
    assert printed(book) == ["", "42\n"]


async def test_two_notebooks_at_once() -> None:
    books = [notebook(f"print({n})") for n in range(2)]
    clients = [NotebookClient(book, kernel_name="python3") for book in books]
    await asyncio.gather(*(client.async_execute() for client in clients))
    assert [printed(book) for book in books] == [["0\n"], ["1\n"]]


def test_an_error_in_a_cell() -> None:
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        NotebookClient(notebook("1 / 0"), kernel_name="python3").execute()


def test_a_cell_that_takes_too_long() -> None:
    book = notebook("import time\ntime.sleep(600)", "print('next')")
    with pytest.raises(CellTimeoutError):
        NotebookClient(book, kernel_name="python3", timeout=2).execute()


def test_a_kernel_that_dies(kubectl: Kubectl, namespace: str) -> None:
    """nbclient calls nothing but ``cleanup`` then, and the kernel is gone at once."""
    client = NotebookClient(notebook("import os\nos._exit(1)"), kernel_name="python3")
    with pytest.raises(DeadKernelError, match="Kernel died"):
        client.execute()
    assert kubectl.within(namespace).items("kernels") == []


def test_a_kernel_that_is_killed_from_outside(kubectl: Kubectl, namespace: str) -> None:
    delete = ["delete", "kernels", "--all", "--wait=false"]

    def on_cell_start(cell: nbformat.NotebookNode, cell_index: int) -> None:
        kubectl.within(namespace)(*delete)

    client = NotebookClient(
        notebook("import time\ntime.sleep(600)"), kernel_name="python3", on_cell_start=on_cell_start
    )
    with pytest.raises(DeadKernelError, match="Kernel died"):
        client.execute()


class FarManager(AsyncKernelManager):
    """Its clients reach their kernels over links that can be lost."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.links: list[Link] = []

    def client(self, **options: Any) -> Any:
        ports = {}
        for name in port_names:
            self.links.append(Link(self.ip, getattr(self, name)))
            ports[name] = self.links[-1].port
        return super().client(**{"ip": HOST, **ports, **options})

    def near(self) -> dict[str, Any]:
        """Options for a client that needs no link."""
        return {"ip": self.ip, **{name: getattr(self, name) for name in port_names}}


async def test_a_cell_whose_end_is_lost_with_its_connection() -> None:
    """Nobody waits for ever, and the kernel is there with its variables."""
    manager = FarManager(kernel_name="python3")
    book = notebook("import time\nprint('on', flush=True)\ntime.sleep(2)\nx = 42")
    client = NotebookClient(book, km=manager)
    running = asyncio.create_task(client.async_execute())
    try:
        await until("the cell", lambda: printed(book) == ["on\n"], seconds=SECONDS)
        for link in manager.links:
            link.lose()
        async with connected(manager, **manager.near()) as near:
            assert await run(near, "print(x)") == "42\n"
        for link in manager.links:
            link.forget()
        with pytest.raises(CellExecutionError) as caught:
            await running
        assert caught.value.ename == "ConnectionLost"
    finally:
        running.cancel()
        if client.kc is not None:  # it is its caller's
            client.kc.stop_channels()
        await manager.shutdown_kernel(now=True)
        for link in manager.links:
            link.close()


def test_a_start_that_fails(kubectl: Kubectl, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNEL_ARGV", '["python3", "-m", "no_such_kernel"]')
    with pytest.raises(KernelFailedError, match=r"exit code 1 \(KernelCrashed") as caught:
        NotebookClient(notebook("1"), kernel_name="python3").execute()
    assert caught.value.reason == "KernelCrashed"
    wait_until("no kernels", lambda: kubectl.within(namespace).items("kernels") == [], seconds=30)
