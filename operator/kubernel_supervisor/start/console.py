"""What the supervisor tells people: lines in the container's log, and why a kernel could not be started."""

import os

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # the exit codes of a shell for the same two failures


class StartError(Exception):
    """The kernel could not be started.

    Attributes:
        code: exit code of the container that says so.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def log(message: str) -> None:
    """Writes one line into the container's log."""
    try:
        os.write(2, f"kubernel: {message}\n".encode("utf-8", "replace"))
    except OSError:
        pass
