"""Starts the kernel's process."""

# What ``signal`` wraps; that one imports enum, which would delay the kernel by 5 ms.
import _signal  # type: ignore[import-not-found]
import os

from .connection_file import write_connection_file
from .console import NOT_EXECUTABLE, StartError
from .environment import kernel_environment, problem_of
from .kernelspecs import read_kernelspec
from .programs import find_program
from .settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: Added to the container's oom_score_adj for the kernel, so that out of memory ends the kernel and not its supervisor.
#: That matters on cgroup v2 where the kubelet has singleProcessOOMKill; without it the whole container is killed.
OOM_SCORE_STEP, OOM_SCORE_MAX = 300, 1000
#: What the container may run on. Ours change for a while (same_cpu.py), and processes would inherit that.
ALL_CPUS = os.sched_getaffinity(0)


class Child:
    """A process that is about to execute a program, or has done so.

    Attributes:
        pid: its number.
        told: a descriptor that becomes readable when the program was executed, or could not be; -1 once that was read:
            its number is somebody else's from then on. -1 from the beginning for a process that executes nothing.
        is_forked: whether it is such a process, forked from what has the kernel's modules.
        spoken: how its ports are secured, where it has said that it listens on all of them, and knows.
    """

    def __init__(self, pid: int, path: str = "", told: int = -1, spoken: "Sequence[str]" = ()) -> None:
        self.pid, self.told, self._path = pid, told, path
        self.is_forked, self.spoken = told < 0, spoken
        self._failure = None if told >= 0 else ""  # type: str | None

    def failure(self) -> str:
        """Why the program could not be executed; "" when it was. For when ``told`` is readable."""
        if self._failure is None:
            number = os.read(self.told, 16)
            self._failure = f"{self._path} cannot be executed: {os.strerror(int(number))}" if number else ""
            os.close(self.told)
            self.told = -1
        return self._failure


def spawn(argv: "list[str]", env: "dict[str, str]", outputs: "tuple[int, int]", source: int = -1) -> Child:
    """Starts a program as leader of its own session, and does not wait for it: its file may lie on a slow disk.

    Its standard input is ``source``, or nothing.

    The pipe that ``exec`` closes tells success from failure, and that ``setsid`` has happened: signals to the group
    work from then on. ``subprocess`` costs 14 ms.

    Raises:
        StartError: there is no such program, or no process to be had.
    """
    path = find_program(argv[0], env)
    problem = problem_of(env)
    if problem:
        raise StartError(NOT_EXECUTABLE, f"{path} cannot be executed: {problem}")
    told, tell = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(told)
        os.close(tell)
        raise StartError(NOT_EXECUTABLE, f"no process for {path}: {error.strerror}") from error
    if pid == 0:
        exec_child(path, argv, env, (source, *outputs), tell)
    os.close(tell)
    return Child(pid, path, told)


def exec_child(path: str, argv: "list[str]", env: "dict[str, str]", standard: "tuple[int, ...]", tell: int) -> None:
    """In the child: default signals, own session, its standard descriptors; never returns."""
    try:
        for number in range(1, _signal.NSIG):  # Python ignores SIGPIPE and SIGXFSZ, shells may ignore others
            try:
                _signal.signal(number, _signal.SIG_DFL)
            except (OSError, ValueError):
                pass
        _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
        os.setsid()
        if os.sched_getaffinity(0) != ALL_CPUS:
            os.sched_setaffinity(0, ALL_CPUS)
        os.dup2(standard[0] if standard[0] >= 0 else os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(standard[1], 1)
        os.dup2(standard[2], 2)
        os.execve(path, argv, env)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(tell, str(error.errno).encode())
    finally:
        os._exit(NOT_EXECUTABLE)


def raise_oom_score(pid: int, step: int = OOM_SCORE_STEP) -> None:
    """Makes the node's kernel prefer a process to us when memory runs out.

    From outside and after its exec: before it, the files of a process that cannot be dumped belong to root.
    """
    try:
        with open("/proc/self/oom_score_adj") as file:
            score = int(file.read())
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write(str(min(score + step, OOM_SCORE_MAX)))
    except (OSError, ValueError):
        pass  # it has ended, or a sandbox such as gVisor has no such thing


class Launcher:
    """Everything that a start of the kernel needs, the first one and those after a restart.

    Attributes:
        control_listener: the descriptor that listens on the control port; -1: none does.
    """

    def __init__(self, argv: "list[str]", settings: Settings, secrets: "dict[str, str]") -> None:
        self.argv, self.settings, self.secrets = argv, settings, secrets
        self.connection_file = settings.connection_file
        self.control_listener = -1
        self.pipes = (os.pipe(), os.pipe())  # the kernel's stdout and stderr; they outlive each kernel process

    def bind(self, binding: "Any") -> None:
        """Makes this container a kernel's: its keys, its command, and what is its user's (``Binding``)."""
        self.secrets.update(binding.keys)
        self.argv = binding.argv
        settings = self.settings
        settings.kernel_name, settings.encryption = binding.kernel_name, binding.encryption
        settings.env, settings.env_names = binding.env, frozenset(binding.env)

    def start(self) -> Child:
        """Starts the kernel for the first time.

        Raises:
            StartError: it cannot be started.
        """
        argv, env = self.prepare(None)
        return spawn(argv, env, self.outputs)

    def prepare(self, users_env: "dict[str, str] | None") -> "tuple[list[str], dict[str, str]]":
        """Writes the connection file; returns the kernel's command and environment.

        Raises:
            StartError: it cannot be started.
        """
        self.connection_file = write_connection_file(self.settings, self.secrets)
        return self.command(users_env)

    def command(self, users_env: "dict[str, str] | None") -> "tuple[list[str], dict[str, str]]":
        """The kernel's command and environment, as the image is now.

        Args:
            users_env: all that the user has set by now; None: what the container was started with.

        Raises:
            StartError: there is no such kernelspec.
        """
        gone = frozenset() if users_env is None else self.settings.env_names
        extra = {name: value for name, value in self.settings.env.items() if name not in gone}
        extra.update(users_env or {})
        env = kernel_environment(extra, gone)
        argv = self.argv
        if not argv:
            argv, spec_env = read_kernelspec(self.settings.kernel_name or "python3", env)
            env = kernel_environment({**spec_env, **extra}, gone)
        return [item.replace("{connection_file}", self.connection_file) for item in argv], env

    @property
    def outputs(self) -> "tuple[int, int]":
        """Where the kernel writes to: stdout and stderr."""
        return self.pipes[0][1], self.pipes[1][1]
