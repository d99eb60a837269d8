"""Jupyter servers as a benchmark starts them, and a kernel's start as a notebook's page sees it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixtures.host_server import HostServer, launch

# JupyterLab is beside it in the development environment, and no part of what is measured.
PAGES = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp")


def start_server(
    folder: Path, *, extension: bool, env: dict[str, str] | None = None, before: HostServer | None = None
) -> HostServer:
    """Starts one and returns when it answers; with or without our extension."""
    enabled = {**dict.fromkeys(PAGES, False), "kubernel_jupyter": extension}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(folder), "JUPYTER_PLATFORM_DIRS": "1", **(env or {})}
    return launch(folder, environment, (f"--ServerApp.jpserver_extensions={enabled}",), before=before)


@contextmanager
def running_server(folder: Path, *, extension: bool) -> Iterator[HostServer]:
    """One that is ended afterwards."""
    folder.mkdir()
    server = start_server(folder, extension=extension)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(60)


class PageKernel:
    """A notebook's kernel by way of a Jupyter server: session, websocket, and a first cell.

    Args:
        server: who starts it.
        kernel_name: of a kernelspec.
    """

    def __init__(self, server: HostServer, kernel_name: str) -> None:
        self._server, self._name, self._session = server, kernel_name, ""

    async def start(self) -> None:
        """Returns when a cell that was sent as soon as there was a kernel has run."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        session = self._server.start_session(self._name)
        self._session = session["id"]
        with self._server.kernel(session["kernel"]["id"]) as socket:
            list(socket.messages(socket.execute("pass")))

    async def stop(self) -> None:
        """Ends it."""
        if self._session:
            await asyncio.to_thread(self._server.request, "DELETE", f"/sessions/{self._session}")
