"""The same in Notebook 7, whose page has one notebook and no windows."""

from collections.abc import Callable

from playwright.sync_api import expect

from fixtures.waiting import wait_until

from .conftest import OpenNotebook, Place
from .person import SECONDS

MakeNotebook = Callable[..., str]
PROGRAM = "Notebook"


def test_pending_then_run(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    notebook = open_notebook(make_notebook("x = 6", "print(x * 7)", kernel="full"), program=PROGRAM)
    notebook.run_all()
    expect(notebook.output(0)).to_contain_text("exceeded quota")
    notebook.picture("notebook7-pending")
    place.make_room()
    expect(notebook.output(1)).to_have_text("42")
    expect(notebook.output(0)).to_have_text("")
    place.fill()


def test_out_of_memory(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    notebook = open_notebook(make_notebook("x = b'x' * 900_000_000"), program=PROGRAM)
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("OOMKilled")
    expect(notebook.dialog).to_contain_text("restart automatically")
    notebook.press("Ok")
    notebook.picture("notebook7-oom")


def test_a_deleted_kernel(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    notebook = open_notebook(make_notebook("import time; print('on', flush=True); time.sleep(600)"), program=PROGRAM)
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("on")
    place.here("delete", "kernels", "--all", "--wait=false")
    expect(notebook.output(0)).to_contain_text("was deleted")
    expect(notebook.dialog).to_have_count(0)


def test_shutting_down_cancels(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    notebook = open_notebook(make_notebook("1", kernel="full"), program=PROGRAM)
    wait_until("a KernelInstance that waits", lambda: place.reasons() == ["QuotaExceeded"], seconds=SECONDS)
    notebook.menu("Kernel", "Shut Down Kernel")
    wait_until("no KernelInstance", lambda: place.kernels() == [], seconds=SECONDS)
