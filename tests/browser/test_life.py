"""Tabs, names and servers change; the kernel stays."""

import signal
from collections.abc import Callable

from playwright.sync_api import Page, expect

from fixtures.host_server import HostServer
from fixtures.waiting import wait_until

from .conftest import OpenNotebook, Place, connections, end_all
from .person import SECONDS

MakeNotebook = Callable[..., str]


def test_two_tabs(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place, page: Page) -> None:
    name = make_notebook("x = 42", "print(x)")
    notebook = open_notebook(name)
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    tab = page.context.new_page()
    other = open_notebook(name, tab)
    other.run(1)
    expect(other.output(1)).to_have_text("42")
    assert len(place.kernels()) == 1
    tab.close()


def test_another_name(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place, server: HostServer
) -> None:
    notebook = open_notebook(make_notebook("x = 42", "print(x)"))
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    notebook.menu("File", "Rename Notebook")
    notebook.dialog.locator("input").fill("renamed.ipynb")
    notebook.press("Rename")
    sessions = wait_until(
        "the new name",
        lambda: [each for each in server.request("GET", "/sessions") if each["path"] == "renamed.ipynb"],
        seconds=SECONDS,
    )
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("42")
    assert [kernel["metadata"]["name"] for kernel in place.kernels()] == [f"k-{sessions[0]['kernel']['id']}"]


#: A cell that ends when it is told to, and leaves a word of that.
GO = """import os, time
print('on', flush=True)
while not os.path.exists('/tmp/go'): time.sleep(0.1)
open('/tmp/gone', 'w').close()"""


def files(place: Place) -> str:
    """What is in the folders /tmp of the kernels' pods."""
    pods = [pod["metadata"]["name"] for pod in place.here.items("pods")]
    return " ".join(place.here("exec", pod, "--", "ls", "/tmp").stdout for pod in pods)


def until_ready(place: Place, number: int) -> None:
    """Waits until so many KernelInstances run: one that still starts is not re-attached, but gone on with."""
    wait_until("kernels that run", lambda: place.reasons() == ["Running"] * number, seconds=SECONDS)


def test_the_server_is_killed(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    """The open page goes on with the next server, and with its name, after JupyterLab's word that there was none.

    A cell that ended meanwhile ends in the page, too.
    """
    first = place.start()
    first.start_session("science")  # of a notebook that no page shows
    name = make_notebook("x = 42", "print(x)", GO)
    notebook = open_notebook(name, server=first)
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    expect(notebook.bar).to_contain_text("MiB")  # it has met this server
    until_ready(place, 2)
    pods = [pod["metadata"]["uid"] for pod in place.here.items("pods")]
    notebook.close_if_it_comes("Server Connection Error")
    notebook.run(2)
    expect(notebook.output(2)).to_have_text("on")
    first.stop(signal.SIGKILL)
    for pod in place.here.items("pods"):
        place.here("exec", pod["metadata"]["name"], "--", "touch", "/tmp/go")
    wait_until("the cell's end", lambda: "gone" in files(place), seconds=SECONDS)
    second = place.start(first)
    notebook.until_told("2 kernels re-attached")
    wait_until("the page", lambda: connections(second, name) > 0, seconds=SECONDS)
    expect(notebook.output(2)).to_contain_text("How this cell ended did not arrive")
    expect(notebook.prompt(2)).to_have_text("[ ]:")
    notebook.until_idle()
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("42")
    expect(notebook.prompt(1)).to_have_text("[3]:")
    expect(notebook.title).to_have_text(name)
    assert [pod["metadata"]["uid"] for pod in place.here.items("pods")] == pods
    notebook.picture("reattached")
    end_all(second)
    assert second.stop(signal.SIGTERM) == 0
