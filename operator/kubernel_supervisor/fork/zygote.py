"""The zygote: a process of the kernel's own Python that has imported ipykernel and becomes kernels by forking.

It is no part of the supervisor but a program of its own, sent to ``python -c`` through a socket, its standard input.
``processes.py`` is the other end. It never sees a token or a key: a kernel reads the connection file after the fork,
and a spare kernel (``spare.py``) when it is somebody's.
"""

import contextlib
import gc
import importlib
import json
import os
import socket
import sys
import time
import warnings

from .imported import ASKED, Asked, Imported, folders, names_of_modules, settings_of, sources, stamps
from .spare import SESSION_NAME, Spare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUIRED = "ipykernel.kernelapp"  # what ipykernel_launcher imports
#: What else an ipykernel has imported when it is ready; any of them may be missing.
USUAL = (
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.extensions.storemagic",
    "encodings.idna",
    "faulthandler",
    "pdb",
    "psutil",
    "pydoc",
    "sqlite3",
    "tornado.platform.asyncio",
    "tornado.queues",
    "traitlets.config.argcomplete_config",
)
INLINE = "module://matplotlib_inline.backend_inline"  # what ipykernel sets before anything imports matplotlib
ARGUMENTS_START = 48 - 3  # in /proc/PID/stat after the program's name: proc(5)


class InstalledMeanwhileError(Exception):
    """Packages have changed while they were imported."""


def load(preload: "list[str]") -> "tuple[Imported, list[str]]":
    """Imports what a kernel needs, and ``preload``; returns what that was, and what could not be preloaded and why.

    Raises:
        ImportError: there is no ipykernel.
        InstalledMeanwhileError: some of it may be older than the rest.
    """
    environ, kind, problems = os.environ, type(os.environ), []
    at_first = stamps(folders())
    sets_backend = bool(preload) and "MPLBACKEND" not in environ
    if sets_backend:
        environ["MPLBACKEND"] = INLINE
    environ.__class__ = Asked
    importlib.import_module(REQUIRED)
    before = names_of_modules()
    for name in (*USUAL, *preload):
        try:
            importlib.import_module(name)
        except Exception as error:
            if name in preload:
                problems.append(f"{name}: {type(error).__name__}: {error}")
    environ.__class__ = kind
    if sets_backend:
        del environ["MPLBACKEND"]
    imported = Imported(before)
    if any(imported.stamps[folder] != seen for folder, seen in at_first.items()):
        raise InstalledMeanwhileError
    return imported, problems


@contextlib.contextmanager
def silence() -> "Any":
    """Nothing is printed meanwhile, by C code neither: what goes wrong is told to the supervisor."""
    kept = os.dup(1), os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for number in (*kept, nothing):
            os.close(number)


def settle() -> None:
    """Ends the threads that do not live through a fork anyway, and takes what was imported out of garbage collection.

    Those of OpenBLAS end before a fork and come back when they are needed.

    Raises:
        RuntimeError: another thread runs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of fork beside threads
        pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    if threads() > 1:
        raise RuntimeError("an imported module has started a thread")
    gc.collect()
    gc.freeze()


def threads() -> int:
    """How many run here."""
    return len(os.listdir("/proc/self/task"))


def fork_kernel() -> int:
    """Forks twice, so that the kernel becomes the supervisor's child; returns its pid here, and 0 in it.

    Raises:
        OSError: no process is to be had.
    """
    read_end, write_end = os.pipe()
    first = os.fork()
    if first == 0:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            os._exit(1)
        os.setsid()  # before anybody knows of it: signals go to its group
        os.write(write_end, str(os.getpid()).encode())
        os.close(read_end)
        os.close(write_end)
        return 0
    os.close(write_end)
    os.waitpid(first, 0)
    pid = os.read(read_end, 20)
    os.close(read_end)
    if not pid:
        raise OSError("no process")
    return int(pid)


def show_arguments(argv: "list[str]") -> None:
    """Makes ``ps`` show a kernel's command, for which there is room: ``processes.py`` made ours as long."""
    try:
        with open("/proc/self/cmdline", "rb") as file:
            shown = file.read()
        wanted = b"".join(os.fsencode(word) + b"\0" for word in argv)
        if len(wanted) == len(shown):
            with open("/proc/self/stat", "rb") as file:
                start = int(file.read().rpartition(b")")[2].split()[ARGUMENTS_START])
            with open("/proc/self/mem", "r+b", 0) as memory:
                memory.seek(start)
                memory.write(wanted)
    except (OSError, ValueError, IndexError):
        pass  # a sandbox such as gVisor has no such files


def change_environment(changes: "dict[str, str | None]") -> None:
    """Sets variables, and takes away those that are None."""
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    time.tzset()


def be_fresh(argv: "list[str]", arguments: "list[str]", changes: "dict[str, str | None]") -> None:
    """Makes this process what ``argv`` starts: whatever ought to differ between two processes does."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    change_environment(changes)
    show_arguments(argv)
    sys.argv = ["-m", *arguments]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = argv
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path.insert(0, os.getcwd())
    importlib.invalidate_caches()
    modules = sys.modules  # type: dict[str, Any]
    if "numpy.random" in modules:
        modules["numpy.random"].seed()
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "tempfile" in modules:
        modules["tempfile"].tempdir = None
    gc.enable()


def be_spare(channel: "Any", connection: "dict[str, Any]", imported: Imported) -> Spare:
    """Makes this process wait for whose kernel it is as soon as it is initialised."""
    kind, known = type(os.environ), SESSION_NAME in ASKED  # type: Any, bool

    def initialised(app: "Any") -> None:
        os.environ.__class__ = kind
        if not known:
            ASKED.discard(SESSION_NAME)  # is looked at once more
        imported.note([*sources(), *settings_of(app)])

    def become(told: "dict[str, Any]") -> str:
        try:
            os.chdir(told["cwd"])
        except OSError as error:
            return str(error)
        why = imported.objection(told["changes"])
        if not why:
            change_environment(told["changes"])
            importlib.invalidate_caches()
        return why

    try:
        spare = Spare(channel, connection, initialised, become)
        spare.put_off()
    except Exception as error:
        channel.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        os._exit(1)
    os.environ.__class__ = Asked
    return spare


def heard(control: "Any") -> "tuple[dict[str, Any], int]":
    """The next request, and the descriptor that came with it, or -1. There is none when the supervisor is gone."""
    line, extra, _, _ = control.recvmsg(1 << 18, socket.CMSG_SPACE(4))
    if not line:
        os._exit(0)
    return json.loads(line.decode()), int.from_bytes(extra[0][2][:4], sys.byteorder) if extra else -1


def serve(control: "Any") -> "Spare | None":
    """Answers requests to fork until the supervisor is gone; returns in a kernel only, a spare one or another."""

    def tell(**fields: "Any") -> None:
        control.send(json.dumps(fields).encode())

    preload = heard(control)[0]["preload"]
    gc.disable()
    try:
        with silence():
            imported, problems = load(preload)
        settle()
    except InstalledMeanwhileError:
        tell(error="packages were installed while they were imported", again=True)
        os._exit(1)
    except Exception as error:
        tell(error=f"{type(error).__name__}: {error}")
        os._exit(1)
    tell(problems=problems)
    while True:
        request, channel = heard(control)
        try:
            os.chdir(request["cwd"])
            why = imported.objection(request["changes"]) or ("a thread runs" if threads() > 1 else "")
            pid = None if why else fork_kernel()
        except OSError as error:
            why, pid = str(error), None
        if pid == 0:
            control.detach()
            be_fresh(request["argv"], request["arguments"], request["changes"])
            if channel >= 0:
                return be_spare(socket.socket(fileno=channel), request["connection"], imported)
            return None
        if channel >= 0:
            os.close(channel)
        tell(pid=pid) if pid else tell(error=why)


def run() -> None:
    """The program. What a kernel raises, SystemExit too, is Python's to handle, as ever."""
    import runpy

    spare = serve(socket.socket(fileno=0))
    try:
        runpy._run_module_as_main("ipykernel_launcher")  # type: ignore[attr-defined]
    except BaseException as error:
        if spare is not None and spare.is_nobodys:  # what it has to do at exit would wait for its threads
            spare.tell(f"{type(error).__name__}: {error}")
            os._exit(1)
        raise
