"""While a kernel is pending: the page says why, everything else works, and what was run runs later."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from fixtures.host_server import HostServer
from fixtures.waiting import wait_until

from .conftest import OpenNotebook, Place, connections
from .person import SECONDS

MakeNotebook = Callable[..., str]
SEVEN = 7  # a browser holds six connections to a server open


@pytest.fixture
def _room_again(place: Place) -> object:
    """The quota is full again for the next test."""
    yield
    place.fill()


@pytest.mark.usefixtures("_room_again")
def test_run_all_runs_later(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    """What the page showed meanwhile is gone then, and is not in the file."""
    name = make_notebook("x = 6", "print(x * 7)", kernel="full", name="analysis.ipynb")
    notebook = open_notebook(name)
    notebook.run_all()
    expect(notebook.output(0)).to_contain_text("Kernel is starting, 0:")
    expect(notebook.output(0)).to_contain_text("exceeded quota")
    expect(notebook.prompt(1)).to_have_text("[*]:")
    notebook.picture("pending-quota")
    notebook.page.keyboard.press("Control+s")
    place.make_room()
    expect(notebook.output(1)).to_have_text("42")
    expect(notebook.output(0)).to_have_text("")
    expect(notebook.prompt(1)).to_have_text("[2]:")
    notebook.page.keyboard.press("Control+s")
    wait_until("a saved notebook", lambda: "42" in (place.root / name).read_text(), seconds=SECONDS)
    assert "Kernel is starting" not in (place.root / name).read_text()


@pytest.mark.parametrize(
    ("kernel", "cause"),
    [
        ("gpu", "Insufficient nvidia.com/gpu"),
        ("greedy", "Insufficient cpu"),
        ("missing", "no-such"),
    ],
)
def test_the_cause_is_in_the_cell(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, kernel: str, cause: str
) -> None:
    notebook = open_notebook(make_notebook("1", kernel=kernel))
    notebook.run(0)
    notebook.run(0)  # an impatient person
    expect(notebook.output(0)).to_contain_text(cause)
    notebook.picture(f"pending-{kernel}")


@pytest.mark.parametrize(
    ("kernel", "reason", "cause"),
    [("odd", "InvalidImageName", "must be lowercase"), ("expired", "KernelCrashed", "The licence has expired")],
)
def test_a_start_that_cannot_heal_ends_at_once(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, kernel: str, reason: str, cause: str
) -> None:
    """The cell has the whole cause, and no dialog cuts it off."""
    notebook = open_notebook(make_notebook("1", kernel=kernel))
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text(reason)
    expect(notebook.output(0)).to_contain_text(cause)
    expect(notebook.output(0)).to_contain_text("More: kubernel events")
    expect(notebook.dialog).to_have_count(0)
    notebook.picture(f"failed-{kernel}")


def test_seven_hold_nothing_up(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place, server: HostServer
) -> None:
    """A notebook beside them is saved and runs, and a terminal opens, all in the same window."""
    names = [make_notebook("1", kernel="full") for _ in range(SEVEN)]
    own = make_notebook("0")
    notebook = open_notebook(own)
    notebook.until_idle()
    for name in names:
        notebook.open_beside(name)
    wait_until("seven pending", lambda: place.reasons().count("QuotaExceeded") == SEVEN, seconds=SECONDS)
    notebook.open_beside(own)
    notebook.write(0, "print(6 * 7)")
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("42")
    notebook.page.keyboard.press("Control+s")
    wait_until("a saved notebook", lambda: "6 * 7" in (place.root / own).read_text(), seconds=SECONDS)
    notebook.menu("File", "New", "Terminal")
    notebook.page.locator(".jp-Terminal .xterm").click()
    notebook.page.keyboard.type(f"touch {place.root}/from-a-terminal\n")
    wait_until("a terminal", (place.root / "from-a-terminal").exists, seconds=SECONDS)
    assert place.reasons().count("QuotaExceeded") == SEVEN
    expect(notebook.dialog).to_have_count(0)
    notebook.picture("seven-pending")


def test_an_interrupt_takes_waiting_cells_back(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place
) -> None:
    """The kernel goes on starting."""
    notebook = open_notebook(make_notebook("1", "2", kernel="full"))
    notebook.run_all()
    expect(notebook.output(0)).to_contain_text("exceeded quota")
    notebook.menu("Kernel", "Interrupt Kernel")
    expect(notebook.output(0)).to_contain_text("This cell did not run")
    expect(notebook.prompt(0)).to_have_text("[ ]:")
    expect(notebook.prompt(1)).to_have_text("[ ]:")
    assert place.reasons() == ["QuotaExceeded"]


# One KernelInstance, whatever a person does.


def only_kernel(place: Place) -> str:
    """The name of the KernelInstance, which waits."""
    wait_until("a KernelInstance that waits", lambda: place.reasons() == ["QuotaExceeded"], seconds=SECONDS)
    return str(place.kernels()[0]["metadata"]["name"])


def test_shutting_down_cancels(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    notebook = open_notebook(make_notebook("1", kernel="full"))
    only_kernel(place)
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("exceeded quota")
    notebook.menu("Kernel", "Shut Down Kernel")
    wait_until("no KernelInstance", lambda: place.kernels() == [], seconds=SECONDS)
    expect(notebook.output(0)).not_to_contain_text("is starting")
    expect(notebook.status).to_contain_text("No Kernel")
    expect(notebook.dialog).to_have_count(0)


@pytest.mark.usefixtures("_room_again")
def test_a_reload_keeps_what_was_run(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place, server: HostServer
) -> None:
    """The page that is back has the same kernel, and the cells that it sent before run."""
    name = make_notebook("open('ran', 'a').write('x')", "print(open('ran').read())", kernel="full")
    notebook = open_notebook(name)
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("exceeded quota")
    first = only_kernel(place)
    notebook.page.keyboard.press("Control+s")
    notebook.page.reload()
    notebook.until_open()
    wait_until(
        "the page that is gone, and the one that is back", lambda: connections(server, name) == 2, seconds=SECONDS
    )
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("exceeded quota")
    assert only_kernel(place) == first
    place.make_room()
    expect(notebook.output(1)).to_have_text("x")


def test_another_kernel_instead(open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place) -> None:
    """The start that nobody wants any more is cancelled, and no late error takes the good one away."""
    notebook = open_notebook(make_notebook("print(6 * 7)", kernel="full"))
    first = only_kernel(place)
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("exceeded quota")
    notebook.change_kernel("Science")
    expect(notebook.output(0)).to_contain_text("was shut down")
    expect(notebook.output(0)).not_to_contain_text("is starting")
    notebook.until_idle()
    notebook.run(0)
    expect(notebook.output(0)).to_have_text("42")
    (kernel,) = place.kernels()
    assert kernel["metadata"]["name"] != first
    expect(notebook.dialog).to_have_count(0)
    expect(notebook.status).to_contain_text("Science")


def test_two_tabs_while_it_is_pending(
    open_notebook: OpenNotebook, make_notebook: MakeNotebook, place: Place, page: Page
) -> None:
    name = make_notebook("print(6 * 7)", kernel="full")
    open_notebook(name)
    first = only_kernel(place)
    other = page.context.new_page()
    notebook = open_notebook(name, other)
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("exceeded quota")
    assert only_kernel(place) == first
    other.close()
