"""Starts the kernel's process."""

# What ``signal`` wraps; that one imports enum, which would delay the kernel by 5 ms.
import _signal  # type: ignore[import-not-found]
import os

from .connection_file import write_connection_file
from .console import NOT_EXECUTABLE, StartError
from .environment import kernel_environment
from .kernelspecs import read_kernelspec
from .programs import find_program
from .settings import Settings


def spawn(argv: "list[str]", env: "dict[str, str]", outputs: "tuple[int, int]") -> int:
    """Starts a program as leader of its own session; returns its pid once it has been executed.

    The pipe that ``exec`` closes tells success from failure, and that ``setsid`` has happened: signals to the group
    work from then on. ``subprocess`` costs 14 ms.
    """
    path = find_program(argv[0], env)
    told, tell = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        raise StartError(NOT_EXECUTABLE, f"no process for {path}: {error.strerror}") from error
    if pid == 0:
        exec_child(path, argv, env, outputs, tell)
    os.close(tell)
    failure = os.read(told, 16)
    os.close(told)
    if not failure:
        return pid
    os.waitpid(pid, 0)
    message = f"{path} cannot be executed: {os.strerror(int(failure))}"
    raise StartError(NOT_EXECUTABLE, message)


def exec_child(path: str, argv: "list[str]", env: "dict[str, str]", outputs: "tuple[int, int]", tell: int) -> None:
    """In the child: default signals, own session, no input; never returns."""
    try:
        for number in range(1, _signal.NSIG):  # Python ignores SIGPIPE and SIGXFSZ, shells may ignore others
            try:
                _signal.signal(number, _signal.SIG_DFL)
            except (OSError, ValueError):
                pass
        _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
        os.execve(path, argv, env)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(tell, str(error.errno).encode())
    finally:
        os._exit(NOT_EXECUTABLE)


class Launcher:
    """Everything that a start of the kernel needs, the first one and those after a restart."""

    def __init__(self, argv: "list[str]", settings: Settings, secrets: "dict[str, str]") -> None:
        self.argv, self.settings, self.secrets = argv, settings, secrets
        self.pipes = (os.pipe(), os.pipe())  # the kernel's stdout and stderr; they outlive each kernel process

    def start(self, extra_env: "dict[str, str]") -> int:
        """Starts the kernel and returns its pid; raises StartError."""
        path = write_connection_file(self.settings, self.secrets)
        env = kernel_environment(extra_env)
        argv = self.argv
        if not argv:
            argv, spec_env = read_kernelspec(self.settings.kernel_name or "python3", env)
            env = kernel_environment({**spec_env, **extra_env})
        argv = [item.replace("{connection_file}", path) for item in argv]
        return spawn(argv, env, (self.pipes[0][1], self.pipes[1][1]))
