"""Zygotes and spare kernels as their supervisor talks to them: what they are started with, asked and told."""

import array
import json
import os
import signal
import socket

from kubernel_supervisor.start.launch import spawn
from kubernel_supervisor.start.programs import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What the zygote's Python is told on its command line; the program itself comes through its standard input.
ZYGOTE_CODE = 'exec(__import__("os").read(0,99999),{})'
ANSWER_FORK_SECONDS = 2.0


def zygote_command(argv: "list[str]") -> "list[str]":
    """How a zygote for this kernel is started; empty when the kernel is no ``python -m ipykernel_launcher``.

    Its arguments are as long as the kernel's, which take their place in what ``ps`` shows.
    """
    at = argv.index("-m") if "-m" in argv else len(argv)
    is_python = os.path.basename(argv[0]).rstrip("0123456789.") == "python"
    if not is_python or argv[at + 1 : at + 2] != ["ipykernel_launcher"] or any(w[:1] != "-" for w in argv[1:at]):
        return []
    room = len(os.fsencode("\0".join(argv[at + 1 :])))
    return [*argv[:at], "-c", ZYGOTE_CODE.ljust(room)]


def fork_request(argv: "list[str]", changes: "dict[str, str | None]") -> "dict[str, Any]":
    """What a zygote is asked for a kernel with."""
    arguments = argv[argv.index("ipykernel_launcher") + 1 :]
    return {"argv": argv, "arguments": arguments, "changes": changes, "cwd": os.getcwd()}


def python_of(argv: "list[str]", env: "dict[str, str]") -> "list[str]":
    """The interpreter of a zygote's command, whatever it is called there, and its options."""
    return [os.path.realpath(find_program(argv[0], env)), *argv[1 : argv.index("-c")]]


def next_of(control: socket.socket) -> "dict[str, Any]":
    """The next message. Raises OSError, and EOFError when the other end is gone."""
    line = control.recv(1 << 16)
    if not line:
        raise EOFError
    return json.loads(line.decode())  # type: ignore[no-any-return]


def kill(pid: int) -> None:
    """Ends a process that may be gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


class SpareKernel:
    """A kernel that is initialised, or is about to be, and waits for whose it is (``spare.py``).

    Attributes:
        pid: of its process.
        argv: its command.
        env: its environment by now.
        control: what it is told through; it says when it is initialised.
        waits: whether it has said so.
    """

    def __init__(self, pid: int, argv: "list[str]", env: "dict[str, str]", control: socket.socket) -> None:
        self.pid, self.argv, self.env, self.control, self.waits = pid, argv, env, control, False
        control.settimeout(ANSWER_FORK_SECONDS)

    def heard(self) -> str:
        """Why it cannot be a kernel; "" when it is initialised. For when it has said something, or ended."""
        self.control.setblocking(False)
        try:
            why = str(next_of(self.control).get("error", ""))
        except (OSError, EOFError, ValueError) as error:
            why = str(error) or "it has ended"
        self.control.settimeout(ANSWER_FORK_SECONDS)
        self.waits = not why
        return why

    def become(self, env: "dict[str, str]") -> "list[str]":
        """Makes it a kernel of this environment, in our working directory, which listens.

        Returns:
            How its ports are secured, as ``sockets.mechanism`` says it; empty: it does not know.

        Raises:
            OSError: it does not answer, or cannot be that kernel.
            EOFError: it is gone.
        """
        told = {"changes": changes_of(self.env, env), "cwd": os.getcwd()}
        self.control.send(json.dumps(told).encode())
        said = next_of(self.control)
        if "error" in said:
            raise OSError(said["error"])
        return list(said["spoken"])

    def end(self) -> None:
        """Ends it, if it is nobody's."""
        self.control.close()
        kill(self.pid)


def changes_of(old: "dict[str, str]", new: "dict[str, str]") -> "dict[str, str | None]":
    """The variables that differ, as they are to be; None: not there."""
    return {name: new.get(name) for name in {*old, *new} if old.get(name) != new.get(name)}


class Zygote:
    """A process that forks kernels.

    Attributes:
        pid: its number.
        env: the environment that it was started with.
        python: the program and its options.
        ready: whether it has imported everything.
    """

    def __init__(self, argv: "list[str]", env: "dict[str, str]", outputs: "tuple[int, int]", first: "list[bytes]"):
        self.env, self.python, self.ready = env, python_of(argv, env), False
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.child = spawn(argv, env, outputs, theirs.fileno())
        self.pid = self.child.pid
        self.control.settimeout(ANSWER_FORK_SECONDS)
        for message in first:
            self.control.send(message)

    def heard(self) -> "dict[str, Any]":
        """What it says next. Raises OSError, and EOFError when it is gone."""
        return next_of(self.control)

    def ask(self, request: "dict[str, Any]", descriptor: int = -1) -> "dict[str, Any]":
        """The answer to a request, with which a descriptor may go. Raises OSError, and EOFError when it is gone."""
        rights = array.array("i", [descriptor] if descriptor >= 0 else [])
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights.tobytes())] if rights else []
        self.control.sendmsg([json.dumps(request).encode()], extra)
        return self.heard()

    def end(self) -> None:
        """Ends it."""
        self.control.close()
        if self.child.told >= 0:
            os.close(self.child.told)
        kill(self.pid)
