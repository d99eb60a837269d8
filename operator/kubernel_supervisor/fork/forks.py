"""Kernels by fork: keeps a zygote (``zygote.py``) beside the kernel, and does without one when anything is wrong."""

import json
import os
import socket
import time

from kubernel_supervisor.memory.usage import MemoryGauge, cpu_seconds, memory_of
from kubernel_supervisor.run.loop import Loop
from kubernel_supervisor.start.connection_file import public_connection
from kubernel_supervisor.start.console import StartError, log
from kubernel_supervisor.start.launch import OOM_SCORE_MAX, Child, Launcher, raise_oom_score, spawn
from kubernel_supervisor.start.procfs import descendants, stat_fields

from .processes import (
    SpareKernel,
    Zygote,
    changes_of,
    fork_request,
    python_of,
    zygote_command,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: It is started once the kernel has used less than so much CPU (s) for a while (``forkAfterSeconds``), and ended if
#: the kernel uses more before it is ready: a user's cell goes first.
QUIET_CPU, IDLE_SHARE = 0.05, 0.01  # and so much of a core, for threads that look for something now and then
#: So many seconds to become ready are usual. A kernel that took n times as long has a busy node, perhaps one on which
#: many start at once, and is left in peace for n times as long.
USUAL_START_SECONDS, LONGEST_FACTOR = 2.0, 6.0
LOADING_LOOK, LOAD_SECONDS, INITIALISE_SECONDS = 0.1, 120.0, 60.0
EXPECTED_SECONDS = 10.0  # a restart that was said to come has come by then: managers kill after 5 s what does not end
#: How often a kernel's memory is looked at beside one, and what of it is kept free: a share of the limit, at most so
#: many bytes. One is started where half as much more is free.
MEMORY_LOOK, FREE_SHARE, FREE_MOST = 2.0, 4, 512 << 20
#: What a reason stands for in the log.
NOT_FORKED = "a restart starts a new process instead of forking one"
NEEDS_MEMORY = "the kernel needs the memory"
LEAST_MEMORY = 512 << 20  # bytes: a container with a smaller limit has none to spare


class ForkError(Exception):
    """The zygote may have left something behind: what is there must be ended before the kernel is started."""


class Forks:
    """Starts kernels after the first one: by fork where there is a zygote for them, anew otherwise.

    Args:
        program: the text of ``zygote.py``.
        stands_still: whether the kernel's processes are stopped.
    """

    def __init__(
        self, loop: Loop, launcher: Launcher, program: str, stands_still: "Callable[[], bool]" = lambda: False
    ) -> None:
        self._loop, self._launcher, self._program = loop, launcher, program
        self._stands_still = stands_still
        self._zygote = None  # type: Zygote | None
        self._spare = None  # type: SpareKernel | None
        self._enabled = launcher.settings.fork
        self._told = set()  # type: set[tuple[str, str]]
        self._gauge = MemoryGauge()
        self._users_env = None  # type: dict[str, str] | None
        self._quiet_seconds = launcher.settings.fork_after_seconds
        self._cpu, self._begun = 0.0, 0.0  # seconds that the kernel had used, and the moment
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

    def prepare(self, users_env: "dict[str, str] | None", took: float = 0.0) -> None:
        """A kernel is ready, after so many seconds: when it is quiet a zygote for the next one is made.

        That costs half a second of CPU, which a kernel that is busy, or does not live long, never pays.
        """
        if self._enabled:
            self._users_env = users_env
            factor = min(max(took / USUAL_START_SECONDS, 1.0), LONGEST_FACTOR)
            self._quiet_seconds = self._launcher.settings.fork_after_seconds * factor
            self._look_later()

    def _look_later(self) -> None:
        self._cpu, self._begun = self._used(), time.monotonic()
        self._loop.later("zygote", MEMORY_LOOK if self._zygote else self._quiet_seconds, self._look)

    def _look(self) -> None:
        """Starts a zygote, sees that the one that is loaded is in nobody's way, and that there is memory for it."""
        seconds = time.monotonic() - self._begun
        busy = self._used() - self._cpu > QUIET_CPU + IDLE_SHARE * seconds or self._stands_still()
        if self._zygote is None:
            if busy or not self._has_room(FREE_SHARE / 1.5):
                self._look_later()
            else:
                self._start(self._users_env)
        elif not self._zygote.ready:
            if busy and self._settled is None:
                self._discard()
                self._look_later()
            elif seconds > LOAD_SECONDS:
                self._give_up("its modules take too long to import")
            else:
                self._loop.later("zygote", LOADING_LOOK, self._look)
        elif self._has_room(FREE_SHARE):
            self._look_later()
        else:
            self.give_back()

    def _has_room(self, share: float) -> bool:
        limit = self._gauge.limit()
        if limit is None:
            return True
        free = int(min(limit / share, FREE_MOST * FREE_SHARE / share))
        return limit >= LEAST_MEMORY and self._gauge.used(limit - free) < limit - free

    def give_back(self) -> bool:
        """The kernel needs the memory of what it could be forked from; whether there was any."""
        if self._zygote is None:
            return False
        self._discard()
        self._end_spare()
        self._tell(NOT_FORKED, NEEDS_MEMORY)
        self._look_later()
        return True

    def prepare_at_once(self, settled: "Callable[[], None]") -> None:
        """No kernel runs that could be disturbed. ``settled`` is called when there is a zygote, or will be none."""
        self._settled = settled
        if self._enabled and self._has_room(FREE_SHARE):
            self._start(None)
        if self._zygote is None:
            self._settle()

    def _settle(self) -> None:
        self._loop.cancel("zygote")
        settled, self._settled = self._settled, None
        if settled is not None:
            settled()

    def _used(self) -> float:
        return cpu_seconds(sorted(set(descendants(os.getpid())) - set(self.keeps)))

    def _start(self, users_env: "dict[str, str] | None") -> None:
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
        self._cpu, self._begun = self._used(), time.monotonic()
        self._loop.later("zygote", LOADING_LOOK, self._look)

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
            self._make_spare(zygote, None)
            self._loop.later("spare", INITIALISE_SECONDS, self._spare_waits)
        else:
            self._look_later()

    # A kernel ahead of its time: the first one in a pool's pod, and the next one while the last one ends.

    def expect_restart(self, users_env: "dict[str, str] | None") -> None:
        """The kernel is about to end, and another one to be wanted."""
        if self._zygote is not None and self._zygote.ready and self._spare is None and self._has_room(FREE_SHARE):
            self._make_spare(self._zygote, users_env)
            self._loop.later("spare", EXPECTED_SECONDS, self._end_spare)

    @property
    def is_initialising(self) -> bool:
        """Whether there is a kernel that will listen sooner than one that is forked now."""
        return self._spare is not None and not self._spare.waits

    def _make_spare(self, zygote: Zygote, users_env: "dict[str, str] | None") -> None:
        """Has a kernel initialised. Whatever fails, it is started when it is somebody's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            argv, env = self._launcher.command(users_env)
            request = fork_request(argv, changes_of(zygote.env, env))
            request["connection"] = public_connection(self._launcher.settings)
            with theirs:
                pid, _ = self._ask(zygote, request, theirs.fileno())
        except (StartError, ForkError):
            pid = None
        if pid:
            self._spare = SpareKernel(pid, argv, env, ours)
            self._loop.watch(ours.fileno(), self._spare_waits)
        else:
            ours.close()
            self._settle()

    def _spare_waits(self) -> None:
        """It has said that it is initialised, or why not, or has ended, or takes too long."""
        spare = self._spare
        if spare is None:
            return
        self._loop.forget(spare.control.fileno())
        why = spare.heard()
        if why:
            self._without_spare(why)
        if self._settled is not None:
            self._loop.cancel("spare")
            self._settle()

    def _without_spare(self, why: str) -> None:
        self._end_spare()
        self._tell("no kernel is initialised ahead", why)

    def _end_spare(self) -> None:
        spare, self._spare = self._spare, None
        self._loop.cancel("spare")
        if spare is not None:
            self._loop.forget(spare.control.fileno())
            spare.end()

    def take_spare(self, users_env: "dict[str, str] | None") -> "Child | None":
        """The spare kernel, which is the container's from now on, and listens; None: it is started as any other.

        Raises:
            StartError: it cannot be started.
        """
        if self.is_initialising:
            self._end_spare()
        spare = self._spare
        if spare is None:
            return None
        argv, env = self._launcher.prepare(users_env)
        try:
            if argv != spare.argv:
                raise OSError("the kernel's command is another than its pool's")
            spoken = spare.become(env)
        except (OSError, EOFError, ValueError, KeyError) as error:
            self._without_spare(str(error) or "it has ended")
            return None
        self._spare = None
        self._loop.cancel("spare")
        spare.control.close()
        return Child(spare.pid, spoken=spoken)

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
        if (what, why) not in self._told:
            self._told.add((what, why))
            log(f"{what}: {why}")

    # At a restart.

    def kernel_ends(self) -> None:
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
        taken = self.take_spare(users_env)
        if taken is not None:
            return taken
        argv, full_env = self._launcher.prepare(users_env)
        pid = self._fork(self._zygote, argv, full_env) if self._zygote else None
        return Child(pid) if pid else spawn(argv, full_env, self._launcher.outputs)

    def _fork(self, zygote: Zygote, argv: "list[str]", env: "dict[str, str]") -> "int | None":
        command = zygote_command(argv)
        if not command or python_of(command, env) != zygote.python:
            self._give_up("the kernel is another program than its pool's")
            self._enabled = True  # another one is made, for that program
            return None
        pid, why = self._ask(zygote, fork_request(argv, changes_of(zygote.env, env)))
        if pid is None:
            self._discard()  # another one is made, with what is so now
            self._tell(NOT_FORKED, why)
        return pid

    def _ask(self, zygote: Zygote, request: "dict[str, Any]", descriptor: int = -1) -> "tuple[int | None, str]":
        """The pid of a kernel that was forked, or why it was not.

        Raises:
            ForkError: the zygote does not do what it is to do, and is given up.
        """
        try:
            answer = zygote.ask(request, descriptor)
            pid = answer.get("pid")
            if pid is not None and int(stat_fields(pid)[4 - 3]) != os.getpid():
                raise OSError("a forked process does not become ours in this container")
        except (OSError, EOFError, ValueError, IndexError) as error:
            self._give_up(f"the process that forks does not answer ({error or type(error).__name__})")
            raise ForkError from error
        return pid, answer.get("error", "")
