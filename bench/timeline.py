"""When a start's requests are sent and answered, as its own client sees it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from kubernel_cluster.connection import Connection
from kubernel_provisioner.cluster.view import View
from kubernel_provisioner.reach.port_forward import PortForward


class Timeline:
    """Lines of a table: seconds since ``begin()``, and what happened."""

    def __init__(self) -> None:
        self._began = 0.0
        self._lines: list[tuple[float, str]] = []

    def begin(self) -> None:
        """Forgets what was before."""
        self._began = time.perf_counter()
        self._lines = []

    def note(self, what: str) -> None:
        """Something happens now."""
        self._lines.append((time.perf_counter() - self._began, what))

    def table(self) -> str:
        """All of it in Markdown; what happens at once, and is the same, is one line."""
        rows: list[tuple[str, str, int]] = []
        for seconds, what in self._lines:
            if rows and rows[-1][1] == what and float(rows[-1][0]) > seconds - 0.05:
                rows[-1] = (*rows[-1][:2], rows[-1][2] + 1)
            else:
                rows.append((f"{seconds:.2f}", what, 1))
        lines = (f"| {seconds} | {f'{count} x ' if count > 1 else ''}{what} |" for seconds, what, count in rows)
        return "\n".join(["| seconds | what |", "|---|---|", *lines])


@contextmanager
def recorded() -> Iterator[Timeline]:
    """Notes each request, each event of the watch and each client that comes to a forwarded port."""
    timeline = Timeline()
    send, websocket, apply, carry = Connection.send, Connection.websocket, View.apply, PortForward._carry

    @asynccontextmanager
    async def noted_send(self: Connection, method: str, path: str, **how: Any) -> AsyncIterator[Any]:
        what = f"{method} {path.rsplit('/', maxsplit=1)[-1] if method in {'GET', 'POST'} else path.split('/')[-2]}"
        timeline.note(f"{what} is sent")
        async with send(self, method, path, **how) as answer:
            timeline.note(f"{what} is answered")
            yield answer

    @asynccontextmanager
    async def noted_websocket(self: Connection, path: str, query: Any, **how: Any) -> AsyncIterator[Any]:
        timeline.note("WebSocket is asked for")
        async with websocket(self, path, query, **how) as socket:
            timeline.note("WebSocket is open")
            yield socket

    def noted_apply(self: View, event: str, instance: dict[str, Any]) -> None:
        timeline.note(f"the watch says {(instance.get('status') or {}).get('reason')}")
        apply(self, event, instance)

    async def noted_carry(self: PortForward, port: int, *ends: Any) -> None:
        timeline.note("a client connects")
        await carry(self, port, *ends)

    changed: Any = {
        (Connection, "send"): (send, noted_send),
        (Connection, "websocket"): (websocket, noted_websocket),
        (View, "apply"): (apply, noted_apply),
        (PortForward, "_carry"): (carry, noted_carry),
    }
    for (owner, name), (_, noted) in changed.items():
        setattr(owner, name, noted)
    try:
        yield timeline
    finally:
        for (owner, name), (before, _) in changed.items():
            setattr(owner, name, before)
