"""A kernel that runs, in JupyterLab: as good as a local one."""

from collections.abc import Callable

from playwright.sync_api import expect

from .conftest import OpenNotebook

SLIDER = """\
from ipywidgets import IntSlider
slider = IntSlider(7, 0, 50)
slider"""


def test_the_first_start(open_notebook: OpenNotebook, make_notebook: Callable[..., str]) -> None:
    notebook = open_notebook(make_notebook("x = 6", "print(x * 7)"))
    notebook.run_all()
    expect(notebook.output(1)).to_have_text("42")
    expect(notebook.prompt(1)).to_have_text("[2]:")
    notebook.picture("running")


def test_a_slider(open_notebook: OpenNotebook, make_notebook: Callable[..., str]) -> None:
    """The page moves it and the kernel knows; the kernel moves it and the page shows it."""
    notebook = open_notebook(make_notebook(SLIDER, "print(slider.value)", "slider.value = 33"))
    notebook.run(0)
    handle = notebook.cell(0).locator(".noUi-handle")
    handle.focus()
    handle.press("ArrowRight")
    expect(notebook.cell(0).locator(".widget-readout")).to_have_text("8")
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("8")
    notebook.run(2)
    expect(notebook.cell(0).locator(".widget-readout")).to_have_text("33")
