"""A kernel that dies: its cell and a message say why, and no page says that it will restart when it will not."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from fixtures.host_server import HostServer
from fixtures.waiting import wait_until

from .conftest import OpenNotebook, Place, connections
from .person import SECONDS

MakeNotebook = Callable[..., str]


def test_out_of_memory(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    notebook = open_notebook(make_notebook("x = b'x' * 900_000_000", "print(6 * 7)", name="training.ipynb"))
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("OOMKilled")
    expect(notebook.toast).to_contain_text("training.ipynb: The kernel used more memory than its limit of 300Mi")
    expect(notebook.dialog).to_contain_text("restart automatically")
    notebook.press("Ok")
    notebook.toast.hover()  # it has come to rest
    notebook.picture("oom")
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("42")
    expect(notebook.output(0)).to_contain_text("OOMKilled")
    for size in (600, 1200):
        notebook.choose_in_bar(f"Give It {size}Mi of Memory")
        expect(notebook.bar).to_contain_text(f"/ {size} MiB")
    expect(notebook.toast).to_have_count(1)
    notebook.press_in_toast("Give It 600Mi of Memory")  # an old offer takes nothing away
    expect(notebook.toast.first).to_have_text("The kernel has 1200Mi of memory")
    expect(notebook.bar).to_contain_text("/ 1200 MiB")


def test_a_crash(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    notebook = open_notebook(make_notebook("import os; os._exit(3)"))
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("exit code 3")
    expect(notebook.dialog).to_contain_text("restart automatically")
    notebook.press("Ok")
    notebook.press_in_toast("More")
    expect(notebook.dialog).to_contain_text("Why the kernel died")
    expect(notebook.dialog).to_contain_text("exit code 3")
    expect(notebook.dialog).to_contain_text("More: kubernel events")
    notebook.picture("crash-more")
    notebook.press("Close")


def test_the_last_output(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    """Of a program beside the kernel, for instance; the message at the bottom right goes without."""
    notebook = open_notebook(make_notebook("import os; os.system('echo GPU fell off the bus >&2')", "os._exit(3)"))
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("GPU fell off the bus")
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("exit code 3")
    expect(notebook.output(1)).to_contain_text("Its last output:")
    expect(notebook.output(1)).to_contain_text("GPU fell off the bus")
    expect(notebook.toast).to_contain_text("exit code 3")
    expect(notebook.toast).not_to_contain_text("GPU")
    notebook.press("Ok")
    notebook.picture("last-output")


#: From now on the kernel's module is another one, as after a bad ``pip install``.
SPOIL = "open('ipykernel_launcher.py', 'w').write('import sys; sys.exit(\\'The licence has expired\\')')"


def test_a_crash_whose_restart_fails(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    """The cell tells of both, and no dialog says that the kernel comes back."""
    notebook = open_notebook(make_notebook(SPOIL, "import os; os._exit(3)"))
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("exit code 3")
    expect(notebook.output(1)).to_contain_text("It was restarted, and does not come back:")
    expect(notebook.output(1)).to_contain_text("The licence has expired")
    expect(notebook.status).to_contain_text("No Kernel")
    expect(notebook.dialog).to_have_count(0)
    notebook.toast.first.hover()
    notebook.picture("crash-again")
    notebook.press_in_toast("Start New Kernel")
    expect(notebook.status).to_contain_text("Science")


def test_a_restart_that_fails(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    """Asked for in the menu, where no cell runs: a message says why."""
    notebook = open_notebook(make_notebook(SPOIL))
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    notebook.menu("Kernel", "Restart Kernel…")
    notebook.press("Restart")
    expect(notebook.toast).to_contain_text("exit code 1")
    notebook.picture("restart-failed")
    notebook.press_in_toast("More")
    expect(notebook.dialog.last).to_contain_text("The licence has expired")
    expect(notebook.page.locator(".jp-Dialog", has_text="restart automatically")).to_have_count(0)
    notebook.picture("restart-failed-more")


def test_a_deleted_pod(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    """Another one takes its place, under the open notebook."""
    notebook = open_notebook(make_notebook("import time; print('on', flush=True); time.sleep(600)", "print(6 * 7)"))
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("on")
    place.here("delete", "pods", "--all", "--wait=false")
    expect(notebook.output(0)).to_contain_text("(PodDeleted)")
    expect(notebook.dialog).to_contain_text("restart automatically")
    notebook.press("Ok")
    notebook.until_idle()
    notebook.picture("deleted-pod")
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("42")


def test_a_deleted_kernel(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    notebook = open_notebook(make_notebook("import time; print('on', flush=True); time.sleep(600)", "print(6 * 7)"))
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("on")
    place.here("delete", "kernels", "--all", "--wait=false")
    expect(notebook.output(0)).to_contain_text("was deleted. It does not come back by itself: start a new kernel.")
    expect(notebook.status).to_contain_text("No Kernel")
    expect(notebook.dialog).to_have_count(0)
    notebook.picture("deleted")


def test_a_kernel_that_is_deleted_while_no_cell_runs(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place
) -> None:
    """There is no cell to say why, and a person reads something else just now."""
    notebook = open_notebook(make_notebook("print(6 * 7)", name="report.ipynb"))
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("42")
    place.here("delete", "kernels", "--all", "--wait=false")
    expect(notebook.toast).to_contain_text("report.ipynb: The kernel's KernelInstance was deleted.")
    expect(notebook.status).to_contain_text("No Kernel")
    notebook.toast.hover()  # it has come to rest
    notebook.picture("deleted-idle")
    notebook.press_in_toast("Start New Kernel")
    expect(notebook.status).to_contain_text("Science")
    notebook.until_idle()  # before, JupyterLab has no kernel to run a cell in, and runs none
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    expect(notebook.dialog).to_have_count(0)


def test_an_end_that_no_page_saw(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place, server: HostServer, page: Page
) -> None:
    """Of a kernel that was idle for too long, for instance: the notebook's next cell says so, once."""
    name = make_notebook("print(6 * 7)", "print(7 * 8)")
    tab = page.context.new_page()
    notebook = open_notebook(name, tab)
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("42")
    tab.close()
    wait_until("no page", lambda: connections(server, name) == 0, seconds=SECONDS)
    place.here("delete", "kernels", "--all", "--wait=false")
    wait_until("no kernel", lambda: server.request("GET", "/kernels") == [], seconds=SECONDS)
    notebook = open_notebook(name)
    notebook.run_all()
    expect(notebook.output(1)).to_have_text("56")
    expect(notebook.output(0)).to_contain_text("ended while no page was open, and its variables are lost:")
    expect(notebook.output(0)).to_contain_text("The kernel's KernelInstance was deleted.")
    expect(notebook.output(0)).not_to_contain_text("start a new kernel")  # it is started
    expect(notebook.output(0)).to_contain_text("42")
    notebook.picture("ended-unseen")
