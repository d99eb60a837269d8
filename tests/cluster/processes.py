"""Finds, starts and ends our own processes.

There are no pid files, hence no stale ones: what runs is read from /proc. A process is ours when it runs the
component's program and its command line names our state folder. Its environment carries a fingerprint of what it was
started with, so that changed flags or configuration are noticed.
"""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import SYSTEM_PATH
from cluster.errors import ClusterError

PROC = Path("/proc")
FINGERPRINT = "KUBERNEL_CLUSTER_FINGERPRINT"
# The API server waits for its watchers; nobody else needs a second.
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Endpoint:
    """An address and TCP port that a component listens on."""

    address: str
    port: int


@dataclass(frozen=True)
class Component:
    """One process.

    Args:
        name: what `stop` and `start` call it; also the name of its log.
        argv: its command line; every one names the state folder, which is how we know our own processes.
        listens: what must be free before it can start.
        files: files whose change asks for a restart.
        user: the certificate it identifies itself with to the API server, if it is a client.
        environment: variables besides PATH.
    """

    name: str
    argv: tuple[str, ...]
    listens: tuple[Endpoint, ...] = ()
    files: tuple[Path, ...] = ()
    user: str | None = None
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Process:
    """A process as /proc shows it; a zombie has no command line and is not listed.

    Args:
        pid: its number, which the kernel gives to another process later.
        started: its start in clock ticks since boot; together with the pid it means one process for ever.
        parent: its parent's number.
        argv: its command line.
    """

    pid: int
    started: int
    parent: int
    argv: tuple[str, ...]


def list_processes(proc: Path = PROC) -> list[Process]:
    """Returns all living processes that can be read."""
    pids = (int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    return [process for pid in pids if (process := read_process(pid, proc))]


def read_process(pid: int, proc: Path = PROC) -> Process | None:
    """Returns the process, or None when it is gone, a zombie or a kernel thread."""
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
        # The program's name in parentheses may hold spaces; the fields after it, from the third on, cannot.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    argv = tuple(os.fsdecode(word) for word in words)
    return Process(pid, started=int(fields[19]), parent=int(fields[1]), argv=argv) if argv else None


def is_ours(process: Process, component: Component, state: Path) -> bool:
    """Returns whether the process is this component of the cluster in this state folder."""
    same_program = process.argv[0] == component.argv[0]
    return same_program and any(f"{state}/" in word for word in process.argv[1:])


def find(component: Component, state: Path, processes: Iterable[Process]) -> Process | None:
    """Returns the component's process, or None when it does not run."""
    return next((process for process in processes if is_ours(process, component, state)), None)


def descendants(roots: Iterable[Process], processes: Iterable[Process]) -> list[Process]:
    """Returns the given processes and all their children, theirs, and so on."""
    found = {process.pid: process for process in roots}
    everything = list(processes)
    while True:
        more = [child for child in everything if child.parent in found and child.pid not in found]
        if not more:
            return list(found.values())
        found.update((child.pid, child) for child in more)


def fingerprint(component: Component) -> str:
    """Returns a digest of the command line, the configuration files and the program's build."""
    digest = hashlib.sha256(repr(component.argv).encode())
    for file in component.files:
        digest.update(file.read_bytes())
    program = Path(component.argv[0]).stat()
    digest.update(f"{program.st_size} {program.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def has_fingerprint(process: Process, wanted: str, proc: Path = PROC) -> bool:
    """Returns whether the process was started with the same flags, files and program."""
    try:
        variables = (proc / str(process.pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{FINGERPRINT}={wanted}".encode() in variables


def start(component: Component, log: Path) -> int:
    """Starts the component and returns its pid; in a session of its own it outlives the shell that asked for it."""
    # Nothing of the caller's environment: a proxy or a PATH without sbin must not decide how the cluster behaves.
    environment = {"PATH": SYSTEM_PATH, **dict(component.environment), FINGERPRINT: fingerprint(component)}
    with log.open("ab") as output:
        child = subprocess.Popen(
            component.argv,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Popen returns when exec has begun. The command line comes with the program's pages, later where those must be
    # read from a disk, and a process without one looks like a dead one.
    while child.poll() is None and read_process(child.pid) is None:
        time.sleep(POLL_SECONDS)
    return child.pid


def is_alive(process: Process) -> bool:
    """Returns whether the very same process still runs: its pid alone may belong to somebody else by now."""
    now = read_process(process.pid)
    return now is not None and now.started == process.started


def stop(process: Process, seconds: float = STOP_SECONDS) -> None:
    """Asks the process to end, and kills it when it has not after so many seconds."""
    send(process, signal.SIGTERM)
    if not ends(process, seconds):
        kill([process])


def kill(processes: Iterable[Process]) -> None:
    """Kills processes and waits until they are gone.

    Raises:
        ClusterError: one does not die.
    """
    doomed = list(processes)
    for process in doomed:
        send(process, signal.SIGKILL)
    for process in doomed:
        if not ends(process, STOP_SECONDS):
            raise ClusterError(f"{process.argv[0]} (pid {process.pid}) does not die; it hangs in the kernel")


def send(process: Process, number: signal.Signals) -> None:
    """Sends a signal to this very process, and to nobody who got its pid meanwhile."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # Between here and the signal the handle, unlike the pid, cannot come to mean another process.
        if is_alive(process):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def ends(process: Process, seconds: float) -> bool:
    """Waits until the process is gone; returns whether it is."""
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
