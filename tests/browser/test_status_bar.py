"""What JupyterLab shows beside the cells: the status bar of the notebook in front, and the launcher's tiles."""

import re
import uuid
from collections.abc import Callable

from playwright.sync_api import Page, expect

from fixtures.host_server import HostServer
from fixtures.waiting import wait_until

from .conftest import OpenNotebook, Place
from .person import SECONDS, Notebook

MakeNotebook = Callable[..., str]
LIMIT = 300  # MiB of the kernelspec "science"


def memory(notebook: Notebook) -> int:
    """What the kernel uses, in MiB, as the bar says."""
    said = notebook.bar_text
    expect(said).to_have_text(re.compile(rf"^\d+ / {LIMIT} MiB$"))
    return int((said.text_content() or "").split()[0])


def test_a_start_and_its_cancelling(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    notebook = open_notebook(make_notebook("1", kernel="full"))
    expect(notebook.bar_text).to_have_text(re.compile(r"^Full: quota exceeded 0:\d\d$"))
    expect(notebook.bar).to_have_attribute("title", re.compile("exceeded quota"))
    notebook.picture("bar-pending")
    expect(notebook.said).to_have_text("Full: quota exceeded")
    notebook.bar_text.focus()
    notebook.page.keyboard.press("Tab")
    notebook.page.keyboard.press("Enter")
    wait_until("no KernelInstance", lambda: place.kernels() == [], seconds=SECONDS)
    expect(notebook.status).to_contain_text("No Kernel")
    expect(notebook.bar).to_be_hidden()
    expect(notebook.toast).to_have_count(0)


def test_a_start_that_fails(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    """Cause and remedy are where a person looks, in the cell, the bar and a message, and it can be tried again."""
    notebook = open_notebook(make_notebook("1", kernel="hasty"))
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("Given up after 5 s.")
    expect(notebook.output(0)).to_contain_text("kubernel install --name hasty --gpu 4 --update")
    expect(notebook.bar_text).to_contain_text("(StartTimeout, Unschedulable).")
    expect(notebook.bar).to_have_attribute("data-level", "dead")
    expect(notebook.toast).to_contain_text("Insufficient nvidia.com/gpu")
    notebook.toast.hover()  # it has come to rest
    notebook.picture("bar-failed")
    notebook.bar_text.click()
    expect(notebook.dialog).to_contain_text("Why the kernel did not start")
    expect(notebook.dialog).to_contain_text("Given up after 5 s.")
    notebook.press("Restart Kernel")
    expect(notebook.bar).to_contain_text("Hasty: unschedulable 0:")


def test_a_second_start_that_goes_well(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    """Nothing on the page offers to restart the kernel that works now."""
    notebook = open_notebook(make_notebook("print(6 * 7)", kernel="impatient"))
    for _ in range(2):
        notebook.run(0)
        expect(notebook.bar).to_contain_text("Impatient: quota exceeded")
        expect(notebook.output(0)).to_contain_text("Given up after 5 s.")
        expect(notebook.bar).to_have_attribute("data-level", "dead")
        expect(notebook.toast).to_have_count(1)
    place.make_room()
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("42")
    expect(notebook.toast).to_have_count(0)
    place.fill()


def test_memory(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    """It is amber when it is scarce, and a click brings more; the variables stay."""
    notebook = open_notebook(make_notebook("x = 1", "print(len(x))"))
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    used = memory(notebook)
    expect(notebook.bar).to_have_attribute("data-level", "ok")
    size = int(0.85 * LIMIT - used) << 20
    notebook.write(0, f"x = b'x' * {size}")
    notebook.run(0)
    expect(notebook.bar).to_have_attribute("data-level", "warn")
    assert memory(notebook) >= 0.8 * LIMIT
    expect(notebook.said).to_have_text("Science: memory is scarce")
    notebook.bar_text.press("Space")
    notebook.picture("bar-memory")
    notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("Enter")
    notebook.until_told("The kernel has 600Mi of memory")
    expect(notebook.bar).to_contain_text("/ 600 MiB")
    expect(notebook.bar).to_have_attribute("data-level", "ok")
    notebook.run(1)
    expect(notebook.output(1)).to_have_text(str(size))


def test_a_pause(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    """By the status bar and by the menu, where it is for the keyboard."""
    notebook = open_notebook(make_notebook("x = 6", "print(x * 7)"))
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    memory(notebook)
    notebook.choose_in_bar("Pause Kernel")
    expect(notebook.bar).to_contain_text("Science: paused")
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("The kernel is paused")
    notebook.picture("bar-paused")
    expect(notebook.said).to_have_text("Science: paused")
    notebook.menu("Kernel", "Resume Kernel")
    expect(notebook.output(1)).to_have_text("42")
    memory(notebook)


def test_a_restart_asks_first(open_notebook: OpenNotebook, make_notebook: MakeNotebook) -> None:
    notebook = open_notebook(make_notebook("x = 6", "print('x' in dir())"))
    notebook.run(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
    memory(notebook)
    notebook.choose_in_bar("Restart Kernel")
    expect(notebook.dialog).to_contain_text("All variables will be lost")
    notebook.press("Restart")
    notebook.until_idle()
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("False")


def test_a_tile_of_the_launcher(page: Page, server: HostServer) -> None:
    """It has its language's picture, and says what is behind it."""
    Notebook(page).bear_with_jupyterlab()
    page.goto(f"http://{server.host}/lab/workspaces/{uuid.uuid4().hex}?token={server.token}")
    tile = page.locator(".jp-LauncherCard", has_text="Science").first
    tile.hover()
    expect(tile).to_have_attribute("title", re.compile(r"Image: .*kernel-python.*\nMemory: 300Mi\nNamespace: "))
    assert tile.locator("img").evaluate("image => image.naturalWidth") > 0
    Notebook(page).picture("launcher")
