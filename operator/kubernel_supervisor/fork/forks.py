"""Kernels by fork: keeps a zygote (``zygote.py``) beside the kernel, and does without one when anything is wrong."""

import json
import os
import socket

from kubernel_supervisor.memory.usage import cpu_seconds, memory, memory_of
from kubernel_supervisor.run.loop import Loop
from kubernel_supervisor.start.connection_file import public_connection
from kubernel_supervisor.start.console import StartError, log
from kubernel_supervisor.start.launch import OOM_SCORE_MAX, Child, Launcher, raise_oom_score, spawn
from kubernel_supervisor.start.procfs import descendants, stat_fields

from .processes import (
    ANSWER_FORK_SECONDS,
    SpareKernel,
    Zygote,
    changes_of,
    fork_request,
    next_of,
    python_of,
    zygote_command,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: It is started once the container has used less than so much CPU (s) in so long (s): a user's cell goes first.
QUIET_CPU, QUIET_SECONDS = 0.05, 1.0
LOAD_SECONDS, INITIALISE_SECONDS = 120.0, 60.0
#: What a reason stands for in the log.
NOT_FORKED = "a restart starts a new process instead of forking one"
LEAST_MEMORY = 512 << 20  # bytes: a container with a smaller limit has none to spare


class ForkError(Exception):
    """The zygote may have left something behind: what is there must be ended before the kernel is started."""


class Forks:
    """Starts kernels after the first one: by fork where there is a zygote for them, anew otherwise.

    Args:
        program: the text of ``zygote.py``.
    """

    def __init__(self, loop: Loop, launcher: Launcher, program: str) -> None:
        self._loop, self._launcher, self._program = loop, launcher, program
        self._zygote = None  # type: Zygote | None
        self._spare = None  # type: SpareKernel | None
        self._enabled = launcher.settings.fork
        self._told = set()  # type: set[str]
        self._cpu = 0.0
        self._settled = None  # type: Callable[[], None] | None

    @property
    def keeps(self) -> "list[int]":
        """Pids that live through a restart."""
        return [process.pid for process in (self._zygote, self._spare) if process]

    def status(self) -> "dict[str, dict[str, Any] | None]":
        """Of zygote and spare kernel: pid, and what it costs in bytes; None where there is none that can be used."""
        ready = {"zygote": self._zygote if self._zygote and self._zygote.ready else None, "spare": self._spare}
        return {name: {"pid": p.pid, "memory": memory_of(p.pid)} if p else None for name, p in ready.items()}

    # Before a restart.

    def prepare(self, users_env: "dict[str, str] | None") -> None:
        """A kernel is ready: as soon as it is quiet a zygote for the next one is made, if there is none."""
        if self._enabled and self._zygote is None:
            self._cpu = self._used()
            self._loop.later("zygote", QUIET_SECONDS, lambda: self._start_when_quiet(users_env))

    def prepare_at_once(self, settled: "Callable[[], None]") -> None:
        """No kernel runs that could be disturbed. ``settled`` is called when there is a zygote, or will be none."""
        self._settled = settled
        if self._enabled:
            self._start(None)
        if self._zygote is None:
            self._settle()

    def _settle(self) -> None:
        self._loop.cancel("zygote")
        settled, self._settled = self._settled, None
        if settled is not None:
            settled()

    def _used(self) -> float:
        return cpu_seconds(descendants(os.getpid()))

    def _start_when_quiet(self, users_env: "dict[str, str] | None") -> None:
        if self._used() - self._cpu > QUIET_CPU:
            self.prepare(users_env)
        else:
            self._start(users_env)

    def _start(self, users_env: "dict[str, str] | None") -> None:
        limit = (memory() or {}).get("limit")
        if limit is not None and limit < LEAST_MEMORY:
            return  # it may grow: looked at again after the next restart
        try:
            argv, env = self._launcher.command(users_env)
            command = zygote_command(argv)
            if not command:
                self._enabled = False
                return
            preload = {"preload": self._launcher.settings.preload}
            first = [self._program.encode(), json.dumps(preload).encode()]
            self._zygote = Zygote(command, env, self._launcher.outputs, first)
        except (StartError, OSError) as error:
            self._tell(NOT_FORKED, str(error))
            return
        self._loop.watch(self._zygote.control.fileno(), self._heard)
        self._loop.later("zygote", LOAD_SECONDS, lambda: self._give_up("its modules take too long to import"))

    def _heard(self) -> None:
        """It has imported its modules, cannot do so, or is gone."""
        zygote = self._zygote
        if zygote is None:
            return
        try:
            said = zygote.heard()
        except (OSError, EOFError, ValueError):
            self._give_up("the process that forks has ended", for_good=not zygote.ready)
            return
        if "error" in said:
            self._give_up(said["error"], for_good=not said.get("again"))
            return
        raise_oom_score(zygote.pid, OOM_SCORE_MAX)
        zygote.ready = True
        self._loop.cancel("zygote")
        for problem in said["problems"]:
            log(f"cannot be preloaded: {problem}")
        if self._settled is not None:
            self._make_spare(zygote)
        else:
            self._settle()

    # A kernel ahead of its time, in a pool's pod.

    def _make_spare(self, zygote: Zygote) -> None:
        """Has the first kernel initialised. Whatever fails, it is forked when it is somebody's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            argv, env = self._launcher.command(None)
            request = fork_request(argv, changes_of(zygote.env, env))
            request["connection"] = public_connection(self._launcher.settings)
            with theirs:
                answer = zygote.ask(request, theirs.fileno())
            self._spare = SpareKernel(answer["pid"], argv, env, ours)
        except (StartError, OSError, EOFError, ValueError, KeyError):
            ours.close()
            self._settle()
            return
        self._loop.watch(ours.fileno(), self._spare_waits)
        self._loop.later("zygote", INITIALISE_SECONDS, self._spare_waits)

    def _spare_waits(self) -> None:
        """It has said that it is initialised, or why not, or has ended, or takes too long."""
        spare = self._spare
        if spare is None:
            return
        self._loop.forget(spare.control.fileno())
        spare.control.setblocking(False)
        try:
            why = next_of(spare.control).get("error")
        except (OSError, EOFError, ValueError) as error:
            why = str(error) or "it has ended"
        spare.control.settimeout(ANSWER_FORK_SECONDS)
        if why:
            self._without_spare(why)
        self._settle()

    def _without_spare(self, why: str) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.end()
        self._tell("the first kernel is not initialised ahead", why)

    def take_spare(self) -> "Child | None":
        """The spare kernel, which is the container's from now on, and listens; None: it is started as any other.

        Raises:
            StartError: it cannot be started.
        """
        spare = self._spare
        if spare is None:
            return None
        argv, env = self._launcher.prepare(None)
        try:
            if argv != spare.argv:
                raise OSError("the kernel's command is another than its pool's")
            spare.become(env)
        except (OSError, EOFError, ValueError) as error:
            self._without_spare(str(error) or "it has ended")
            return None
        self._spare = None
        spare.control.close()
        return Child(spare.pid)

    def _give_up(self, why: str, for_good: bool = True) -> None:
        self._enabled = self._enabled and not for_good
        self._discard()
        self._tell(NOT_FORKED, why)
        self._settle()

    def _discard(self) -> None:
        zygote, self._zygote = self._zygote, None
        self._loop.cancel("zygote")
        if zygote is not None:
            self._loop.forget(zygote.control.fileno())
            zygote.end()

    def _tell(self, what: str, why: str) -> None:
        """Logs it, the first time that this is why."""
        if why not in self._told:
            self._told.add(why)
            log(f"{what}: {why}")

    # At a restart.

    def restart_begins(self) -> None:
        """What is not ready by now would only be in the way."""
        self._loop.cancel("zygote")
        if self._zygote is not None and not self._zygote.ready:
            self._discard()

    def start(self, users_env: "dict[str, str] | None") -> Child:
        """Starts a kernel.

        Raises:
            StartError: it cannot be started.
            ForkError: to be called again when no process is left.
        """
        argv, full_env = self._launcher.prepare(users_env)
        pid = self._fork(self._zygote, argv, full_env) if self._zygote else None
        return Child(pid) if pid else spawn(argv, full_env, self._launcher.outputs)

    def _fork(self, zygote: Zygote, argv: "list[str]", env: "dict[str, str]") -> "int | None":
        command = zygote_command(argv)
        if not command or python_of(command, env) != zygote.python:
            self._give_up("the kernel is another program than its pool's")
            self._enabled = True  # another one is made, for that program
            return None
        try:
            answer = zygote.ask(fork_request(argv, changes_of(zygote.env, env)))
            pid = answer.get("pid")
            if pid is not None and int(stat_fields(pid)[4 - 3]) != os.getpid():
                raise OSError("a forked process does not become ours in this container")
        except (OSError, EOFError, ValueError, IndexError) as error:
            self._give_up(f"the process that forks does not answer ({error or type(error).__name__})")
            raise ForkError from error
        if pid is None:
            self._discard()  # another one is made, with what is so now
            self._tell(NOT_FORKED, answer["error"])
        return pid
