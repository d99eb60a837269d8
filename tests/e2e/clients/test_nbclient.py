"""nbclient in this process, as services that run notebooks use it."""

import asyncio

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until
from kubernel_provisioner.errors import KernelFailedError

pytestmark = pytest.mark.usefixtures("on_the_cluster")


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


def test_a_start_that_fails(kubectl: Kubectl, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNEL_ARGV", '["python3", "-m", "no_such_kernel"]')
    with pytest.raises(KernelFailedError, match=r"exit code 1 \(KernelCrashed") as caught:
        NotebookClient(notebook("1"), kernel_name="python3").execute()
    assert caught.value.reason == "KernelCrashed"
    wait_until("no kernels", lambda: kubectl.within(namespace).items("kernels") == [], seconds=30)
