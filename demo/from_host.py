"""(a) nbclient on this machine runs a notebook whose kernel is a pod."""

import time

import nbformat
from nbclient import NotebookClient

from fixtures.journey_notebook import build_notebook, said

from . import screen

LOOP_SECONDS = 2


def run(kernel_name: str) -> None:
    """Runs the notebook and prints its cells. nbclient interrupts the loop when its time is over."""
    screen.command(f"jupyter execute --kernel_name={kernel_name} journey.ipynb")
    notebook = build_notebook()
    client = NotebookClient(
        notebook,
        kernel_name=kernel_name,
        allow_errors=True,
        interrupt_on_timeout=True,
        timeout_func=lambda cell: LOOP_SECONDS if cell["id"] == "loop" else None,
    )
    began = time.monotonic()
    with client.setup_kernel():
        screen.note(f"the kernel answers after {time.monotonic() - began:.2f} s")
        for index, cell in enumerate(notebook.cells):
            execute(client, cell, index)


def execute(client: NotebookClient, cell: nbformat.NotebookNode, index: int) -> None:
    """Runs one cell and prints it."""
    client.execute_cell(cell, index)
    screen.cell(cell.source, said(cell.outputs))
