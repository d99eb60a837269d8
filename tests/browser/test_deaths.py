"""A kernel that dies: the cell that ran says why, and no page says that it will restart when it will not."""

from collections.abc import Callable

from playwright.sync_api import expect

from .conftest import OpenNotebook, Place

MakeNotebook = Callable[..., str]


def test_out_of_memory(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    notebook = open_notebook(make_notebook("x = b'x' * 900_000_000", "print(6 * 7)", name="training.ipynb"))
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("OOMKilled")
    notebook.picture("oom")
    expect(notebook.dialog).to_contain_text("restart automatically")
    notebook.press("Ok")
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("42")
    expect(notebook.output(0)).to_contain_text("OOMKilled")


def test_a_crash(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    notebook = open_notebook(make_notebook("import os; os._exit(3)"))
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("exit code 3")
    expect(notebook.dialog).to_contain_text("restart automatically")
    notebook.press("Ok")


def test_a_deleted_kernel(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    notebook = open_notebook(make_notebook("import time; print('on', flush=True); time.sleep(600)", "print(6 * 7)"))
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("on")
    place.here("delete", "kernels", "--all", "--wait=false")
    expect(notebook.output(0)).to_contain_text("was deleted. It does not come back by itself: start a new kernel.")
    expect(notebook.status).to_contain_text("No Kernel")
    expect(notebook.dialog).to_have_count(0)
    notebook.picture("deleted")
