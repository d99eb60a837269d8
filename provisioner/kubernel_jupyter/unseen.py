"""Deaths that no page has seen: the next cell of the same notebook is told. Bookkeeping only."""

from __future__ import annotations


class UnseenDeaths:
    """Why kernels have died while no page was connected, until somebody is told."""

    def __init__(self) -> None:
        self._of_kernels: dict[str, str] = {}  # by kernel id
        self._of_notebooks: dict[str, str] = {}  # by path: of kernels that did not come back

    def died(self, kernel_id: str, why: str) -> None:
        """A kernel that is restarted."""
        self._of_kernels[kernel_id] = why

    def ended(self, kernel_id: str, why: str, path: str | None) -> None:
        """One that does not come back; ``path``: its notebook's, whose next kernel tells it."""
        self._of_kernels.pop(kernel_id, None)
        if path:
            self._of_notebooks[path] = why

    def started(self, kernel_id: str, path: str | None) -> None:
        """A notebook has another kernel."""
        why = self._of_notebooks.pop(path or "", "")
        if why:
            self._of_kernels[kernel_id] = why

    def taken(self, kernel_id: str) -> str:
        """What is to be told, once; "" for nothing."""
        return self._of_kernels.pop(kernel_id, "")
