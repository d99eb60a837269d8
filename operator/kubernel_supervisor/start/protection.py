"""What this process asks of the system before it starts a kernel: to hide its secrets, and to inherit orphans."""

import os

from .console import log
from .procfs import stat_fields

SECRET_NAMES = ("key", "token", "curve_publickey", "curve_secretkey")
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36


def take_environment() -> "dict[str, str]":
    """Removes every KUBERNEL_* variable and returns them, names in lower case without the prefix."""
    names = [name for name in os.environ if name.startswith("KUBERNEL_")]
    return {name[len("KUBERNEL_") :].lower(): os.environ.pop(name) for name in names}


def hide_secrets(taken: "dict[str, str]") -> None:
    """Makes this process unreadable for the kernel's user, and wipes the secrets from inits in front of us (tini).

    An init in front of us that Yama protects keeps the token in its memory. With a token user code can report what it
    likes about its own pod, and nothing else.
    """
    names = [name for name in SECRET_NAMES if taken.get(name)]
    entries = {f"KUBERNEL_{name.upper()}={taken[name]}".encode() for name in names}
    pid = os.getpid()
    try:
        while pid > 0 and erase_environment(pid, entries):
            pid = int(stat_fields(pid)[4 - 3])  # the parent: only a process with exactly our secrets is touched
    except (OSError, ValueError, IndexError, OverflowError):
        pass  # no right to (Yama), or no such file (gVisor)
    try:
        prctl(PR_SET_DUMPABLE, 0)  # no ptrace, no /proc/PID/environ, no /proc/PID/mem
    except (ImportError, OSError, AttributeError) as error:
        log(f"the kernel's code can read the token of its own pod: {type(error).__name__}: {error}")


def adopt_orphans() -> None:
    """Makes orphans our children, not those of an init in front of us: a restart finds and ends them."""
    try:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    except (ImportError, OSError, AttributeError):
        pass  # as PID 1 we are their parent anyway


def erase_environment(pid: int, entries: "set[bytes]") -> bool:
    """Overwrites these ``NAME=VALUE`` in the memory that /proc/PID/environ shows; whether there were any.

    ``os.environ.pop`` does not: that file shows the stack as it was at exec, and the kernel has our uid.
    """
    fields = stat_fields(pid)
    start, end = int(fields[50 - 3]), int(fields[51 - 3])
    memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
    found, at = False, start
    try:
        for entry in os.pread(memory, end - start, start).split(b"\0"):
            if entry in entries:
                os.pwrite(memory, b"\0" * len(entry), at)
                found = True
            at += len(entry) + 1
    finally:
        os.close(memory)
    return found


def prctl(option: int, value: int) -> None:
    """Sets an attribute of this process; Python itself has no function for it.

    Raises:
        ImportError: this Python has no ctypes.
        OSError: the system call was refused.
    """
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
