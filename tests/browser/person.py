"""What a person does in JupyterLab or Notebook, and reads there. It knows their pages, and nothing of kernels."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

# For what a page takes on a busy machine, a kernel's start included.
SECONDS = 90.0
CONNECTED = re.compile("starting|idle|busy")
# JupyterLab gives a theme's file a few seconds, which a busy machine may not have, and goes on without it.
THEME = "Error Loading Theme"
# The texts of all messages that a page has shown at its bottom right; some leave again by themselves.
KEEP_MESSAGES = """
window.messages = new Set();
new MutationObserver(() => {
  for (const toast of document.querySelectorAll(".Toastify__toast")) window.messages.add(toast.textContent);
}).observe(document, {childList: true, subtree: true, characterData: true});
"""
SCREENSHOTS = "KUBERNEL_SCREENSHOTS"  # a folder for pictures of what the tests see

expect.set_options(timeout=SECONDS * 1000)


@dataclass(frozen=True)
class Notebook:
    """A notebook that is open in a page, in front of the others.

    Args:
        page: the browser's tab.
    """

    page: Page

    @property
    def _panel(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def cell(self, number: int) -> Locator:
        """A code cell, counted from 0."""
        return self._panel.locator(".jp-CodeCell").nth(number)

    def prompt(self, number: int) -> Locator:
        """What stands before a cell: [ ]:, [*]:, [1]:."""
        return self.cell(number).locator(".jp-InputPrompt")

    def output(self, number: int) -> Locator:
        """All that is below a cell."""
        return self.cell(number).locator(".jp-Cell-outputWrapper .jp-OutputArea").first

    @property
    def dialog(self) -> Locator:
        """The question or message that stands in front of everything."""
        return self.page.locator(".jp-Dialog", has_not_text=THEME)

    @property
    def toast(self) -> Locator:
        """A message at the bottom right, which stays for a while."""
        return self.page.locator(".Toastify__toast")

    def press_in_toast(self, button: str) -> None:
        """Presses a button of a message, of the newest that has it: it is above the others."""
        self.toast.locator("button", has_text=re.compile(f"^{button}$")).first.click()

    def until_told(self, text: str) -> None:
        """Waits until the page has shown a message of that text, which may be gone again."""
        self.page.wait_for_function("text => window.messages.has(text)", arg=text, timeout=SECONDS * 1000)

    @property
    def bar(self) -> Locator:
        """What the status bar says of the kernel."""
        return self.page.locator(".kubernel-Status")

    @property
    def bar_text(self) -> Locator:
        """Its words, which can be clicked."""
        return self.bar.locator("button").first

    @property
    def said(self) -> Locator:
        """What a screen reader says of it, without being asked."""
        return self.bar.get_by_role("status")

    def choose_in_bar(self, name: str) -> None:
        """Clicks there, and chooses from the menu."""
        self.bar_text.click()
        self.page.locator(".lm-Menu-item:visible", has_text=re.compile(f"^{name}$")).click()

    def menu(self, *names: str) -> None:
        """Chooses from a menu, by the beginnings of the names."""
        bar, *items = names
        self.page.locator(".lm-MenuBar-item", has_text=re.compile(f"^{bar}$")).click()
        for name in items:
            self.page.locator(".lm-Menu-item:visible", has_text=re.compile(f"^{re.escape(name)}")).first.click()

    def run_all(self) -> None:
        """Clicks into the notebook, whose menu it is then, and chooses Run, Run All Cells."""
        self.cell(0).locator(".cm-content").click()
        self.menu("Run", "Run All Cells")

    def run(self, number: int) -> None:
        """Clicks into a cell and presses Ctrl-Enter."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def write(self, number: int, text: str) -> None:
        """Puts a text in the place of a cell's."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def open_beside(self, name: str) -> None:
        """Opens a file of the list on the left, in another tab of the same window."""
        self.page.locator(".jp-DirListing-item", has_text=name).dblclick()
        self.until_open()

    def until_open(self) -> None:
        """Waits until the page shows its cells, and the kernel that it has asked for."""
        self.cell(0).wait_for()
        expect(self.status).not_to_contain_text("No Kernel")
        expect(self._panel.locator(".jp-Notebook-ExecutionIndicator").first).to_have_attribute("data-status", CONNECTED)

    def change_kernel(self, name: str) -> None:
        """Kernel, Change Kernel, and a choice."""
        self.menu("Kernel", "Change Kernel")
        self.dialog.locator("select").select_option(label=name)
        self.press("Select")

    @property
    def status(self) -> Locator:
        """The kernel's name at the top right of the notebook."""
        return self._panel.locator(".jp-KernelName")

    @property
    def title(self) -> Locator:
        """On the notebook's tab."""
        return self.page.locator(".lm-DockPanel-tabBar .lm-mod-current .lm-TabBar-tabLabel")

    def press(self, button: str) -> None:
        """Presses a button of the dialog."""
        self.dialog.locator("button", has_text=re.compile(f"^{button}$")).click()

    def close_if_it_comes(self, title: str) -> None:
        """Presses Close, or OK, whenever a dialog of that title stands in the way of something else."""
        dialog = self.page.locator(".jp-Dialog", has_text=title)
        buttons = dialog.locator("button", has_text=re.compile("^(Close|OK)$"))
        self.page.add_locator_handler(dialog, lambda _: buttons.click())

    def bear_with_jupyterlab(self) -> None:
        """Closes what JupyterLab itself has to say on a busy machine."""
        self.close_if_it_comes(THEME)

    def until_idle(self) -> None:
        """Waits until the page shows that the kernel has nothing to do."""
        expect(self._panel.locator(".jp-Notebook-ExecutionIndicator").first).to_have_attribute("data-status", "idle")

    def picture(self, name: str) -> None:
        """Keeps what the page shows, where ``KUBERNEL_SCREENSHOTS`` says."""
        if folder := os.environ.get(SCREENSHOTS):
            self.page.screenshot(path=Path(folder, f"{name}.png"))
