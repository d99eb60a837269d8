"""Which message goes to which cell, and when. Decisions only: no socket, no clock, no kernel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubernel_provisioner.words import wrapped

from . import words

# Marks an output that is not the notebook's own; see ``saving``.
MARK = "kubernel_transient"

Header = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """A message that the server sends to a page in the kernel's place.

    Args:
        channel: iopub or shell.
        msg_type: as in Jupyter's protocol.
        content: as in Jupyter's protocol.
        parent: header of the request that it answers, a cell's; empty for none.
        metadata: of the message.
    """

    channel: str
    msg_type: str
    content: dict[str, Any]
    parent: Header = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def status(state: str) -> Message:
    """The kernel's state, which is no cell's."""
    return Message("iopub", "status", {"execution_state": state})


class FailedCell:
    """A cell that ends with an error, as a kernel would end it.

    Args:
        header: of the request; None where there is no such cell, and nothing to be told.
        name: of the error.
    """

    def __init__(self, header: Header | None, name: str) -> None:
        self._header, self._name = header, name
        self._error: dict[str, Any] = {"ename": name, "evalue": "", "traceback": []}

    def because(self, text: str) -> list[Message]:
        """An output that says why; the cell goes on."""
        if self._header is None:
            return []
        lines = wrapped(text)
        self._error = {"ename": self._name, "evalue": lines[0] if lines else "", "traceback": lines}
        return [Message("iopub", "error", self._error, self._header)]

    def ends(self) -> list[Message]:
        """The reply, and "idle"."""
        if self._header is None:
            return []
        reply = {"status": "error", "execution_count": None, **self._error}
        idle = {"execution_state": "idle"}
        return [Message("shell", "execute_reply", reply, self._header), Message("iopub", "status", idle, self._header)]


def failed(header: Header | None, name: str, text: str) -> list[Message]:
    """A cell ends with an error: the output, the reply, and "idle"."""
    cell = FailedCell(header, name)
    return cell.because(text) + cell.ends()


def noted(header: Header, text: str) -> list[Message]:
    """A cell is told something, whatever else it prints."""
    text = "\n".join(wrapped(text)) + "\n"
    return [Message("iopub", "stream", {"name": "stderr", "text": text}, header)]


def shown(header: Header, text: str, *, is_first: bool) -> Message:
    """Words in a cell that are replaced by later ones, and never saved.

    Args:
        header: of the request.
        text: lines.
        is_first: whether the cell shows none yet.
    """
    content = {
        "data": {"text/plain": text},
        "metadata": {MARK: True},
        "transient": {"display_id": f"kubernel-{header['msg_id']}"},
    }
    return Message("iopub", "display_data" if is_first else "update_display_data", content, header)


def aborted(header: Header) -> list[Message]:
    """Ends a cell that was never run, as a kernel does after another one's error."""
    return [
        Message("shell", "execute_reply", {"status": "aborted"}, header),
        Message("iopub", "status", {"execution_state": "idle"}, header),
    ]


class WaitingCells:
    """The cells that a page has sent to a kernel that is pending; the first of them shows what it waits for."""

    def __init__(self) -> None:
        self._cells: list[Header] = []
        self._ids: list[str] = []
        self._shown = ""

    def add(self, header: Header, cell_id: str = "") -> None:
        """A request to run a cell.

        Args:
            header: of the request.
            cell_id: the notebook's; a cell that is run again listens to its newest request only. Empty: not known.
        """
        if cell_id and cell_id in self._ids:
            place = self._ids.index(cell_id)
            self._cells[place] = header
            self._shown = self._shown if place else ""
        else:
            self._cells.append(header)
            self._ids.append(cell_id)

    def progress(self, seconds: float, reason: str, message: str) -> list[Message]:
        """Shows or updates the first cell's words.

        Args:
            seconds: since the start began.
            reason: of the KernelInstance's status.
            message: of the KernelInstance's status.
        """
        text = words.starting(seconds, reason, message)
        if not self._cells or text == self._shown:
            return []
        is_first, self._shown = not self._shown, text
        return [shown(self._cells[0], text, is_first=is_first)]

    def ready(self) -> list[Message]:
        """Takes the words away, now and not with the cell's first output: it may have none."""
        if not self._shown:
            return []
        self._shown = ""
        return [Message("iopub", "clear_output", {"wait": False}, self._cells[0])]

    def failed(self, text: str) -> list[Message]:
        """The first cell ends with the cause, the others with nothing."""
        return self._ended("KernelDidNotStart", text)

    def interrupted(self) -> list[Message]:
        """Nobody wants them to run any more."""
        return self._ended("KeyboardInterrupt", "This cell did not run: its kernel was still starting.")

    def _ended(self, name: str, text: str) -> list[Message]:
        messages = self.ready()
        for number, cell in enumerate(self._cells):
            messages += aborted(cell) if number else failed(cell, name, text)
        self._cells, self._ids = [], []
        return messages


class RunningCell:
    """The cell that a kernel is busy with, as its status messages tell, or else the first one that it was sent.

    A kernel that dies or stands still may not have come to say that it is busy.
    """

    def __init__(self) -> None:
        self._busy: Header | None = None
        self._sent: dict[str, Header] = {}
        self._told: tuple[str, str] | None = None  # why it stands still, and the id of the cell's request
        self._shows: Header | None = None  # the cell that shows why

    @property
    def _header(self) -> Header | None:
        return self._busy or next(iter(self._sent.values()), None)

    @property
    def is_running(self) -> bool:
        """Whether there is one."""
        return self._header is not None

    def sent(self, header: Header) -> None:
        """The page has sent a cell to the kernel."""
        self._sent[header["msg_id"]] = header

    @property
    def sent_ids(self) -> frozenset[str]:
        """The requests of the page whose end was not heard of."""
        return frozenset(self._sent)

    def gap(self, text: str) -> list[Message]:
        """The cell is told that its output may have a gap."""
        return [] if self._header is None else noted(self._header, text)

    def unheard(self, done: frozenset[str], name: str, text: str) -> list[Message]:
        """Ends the cells whose end is over and was not heard of.

        Args:
            done: requests that the kernel has done, as something tells that was sent after them.
            name: of the error.
            text: why.
        """
        messages: list[Message] = []
        for msg_id in [each for each in self._sent if each in done]:
            messages += failed(self._sent.pop(msg_id), name, text)
            if self._busy is not None and self._busy["msg_id"] == msg_id:
                self._busy = None
        return messages

    def stands(self, why: str) -> list[Message]:
        """The cell shows why its kernel stands still, and nothing once it goes on; "" for one that does not stand."""
        header = self._header
        told = (why, header["msg_id"]) if why and header is not None else None
        is_news, self._told = told != self._told, told
        if not is_news:
            return []
        messages: list[Message] = []
        if self._shows is not None and (told is None or self._shows["msg_id"] != told[1]):
            messages.append(shown(self._shows, "", is_first=False))
            self._shows = None
        if header is not None and told is not None:
            messages.append(shown(header, "\n".join(wrapped(why)), is_first=self._shows is None))
            self._shows = header
        return messages

    def status(self, state: str, parent: Header) -> None:
        """A status message of the kernel's."""
        if state == "busy" and parent.get("msg_type") == "execute_request":
            self._busy = parent
        elif state == "idle":
            self._sent.pop(parent.get("msg_id", ""), None)
            if self._busy is not None and parent.get("msg_id") == self._busy["msg_id"]:
                self._busy = None

    def taken(self) -> Header | None:
        """The cell that ran when the kernel died, if one did; no cell runs any more."""
        header, self._busy, self._sent = self._header, None, {}
        return header
