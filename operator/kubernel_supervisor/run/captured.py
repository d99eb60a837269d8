"""Output that a kernel has led into pipes of its own, as ipykernel does to show it in cells.

What a process writes right before it dies stays in such a pipe, and would vanish with it: the stacks that Python's
faulthandler writes, for instance. So we hold the end that is read, too, and read it when the kernel is dead. The first
1000 bytes may be missing: ipykernel's thread has read them, and waits for the interpreter's lock for ever.
"""

import os

from .loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# When a kernel's ports accept it may have no such pipes yet. Most have them a moment later, and what a cell prints
# before they are seen is taken for the start's; a kernel without any is looked at for 20 s, which costs 10 ms.
QUICK_LOOK_SECONDS, LOOK_SECONDS = 0.01, 0.05
LOOKS, QUICK_LOOKS = 480, 100
MOST = 1 << 16  # bytes: what a pipe holds, and no more from a child of the kernel's that still writes


class Captured:
    """The pipes that stdout and stderr of the kernel's process lead to by now, if they are not ours.

    Args:
        loop: the supervisor's.
        pipes: ours.
        found: is called when it has such pipes: it has been initialised.
    """

    def __init__(self, loop: Loop, pipes: "tuple[tuple[int, int], ...]", found: "Callable[[], None]") -> None:
        self._loop, self._found = loop, found
        self._ours = {f"pipe:[{os.fstat(write_end).st_ino}]" for _, write_end in pipes}
        self._held = []  # type: list[tuple[int, int]]

    def look_for(self, pid: int, looks: int = LOOKS) -> None:
        """Takes hold of them as soon as they are there."""
        pause = QUICK_LOOK_SECONDS if looks > LOOKS - QUICK_LOOKS else LOOK_SECONDS
        self._loop.later("captured", pause, lambda: self._look(pid, looks))

    def _look(self, pid: int, looks: int) -> None:
        for number in (1, 2):
            path = f"/proc/{pid}/fd/{number}"
            try:
                target = os.readlink(path)
                if target.startswith("pipe:") and target not in self._ours:
                    self._held.append((number, os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
            except OSError:
                pass  # it has ended, or its files are not for us to see
        if self._held:
            self._found()
        elif looks > 1:
            self.look_for(pid, looks - 1)

    def rest(self) -> "Iterator[tuple[int, bytes]]":
        """What nobody has read, by the number of its descriptor; for when the process has ended, and once."""
        self._loop.cancel("captured")
        held, self._held = self._held, []
        for number, handle in held:
            try:
                piece = os.read(handle, MOST)
            except OSError:
                piece = b""  # there is nothing, or a child of the kernel's has it
            os.close(handle)
            if piece:
                yield number, piece
