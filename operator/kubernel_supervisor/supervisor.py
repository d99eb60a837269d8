"""The first process of a kernel's container: it starts the kernel, tells the operator, and obeys the control port.

The wire contracts stand in ``docs/protocols.md``. This file runs inside images that we did not build, as the text of

    python3 -I -S -c 'import os; exec(os.environ.pop("KUBERNEL_SUPERVISOR"))' ARGV...

so it needs nothing but the standard library of Python 3.6, and it is one file. It has two stages, since nothing may
come between the container's start and the kernel's: the first stage starts the kernel and imports next to nothing (2 ms
instead of 30); ``bootstrap.supervisor_source`` ships the second one as a string, so that even its compilation (15 ms)
happens while the kernel boots. One thread does everything but deliver reports, so there is no state to lock.
"""
# pathlib and contextlib cost more milliseconds than they save lines, and annotations are texts, since Python 3.6 cannot
# evaluate them: pyproject.toml tells ruff so.

import _signal  # type: ignore[import-not-found]  # what ``signal`` wraps; that one imports enum and costs 5 ms
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

JUPYTER_PORTS = ("shell", "iopub", "stdin", "control", "hb")
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # as shells answer
BLOCKED_AT_START = {_signal.SIGTERM, _signal.SIGINT, _signal.SIGCHLD}


class StartError(Exception):
    """The kernel could not be started; ``code`` is the exit code that says so."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class JsonRules:
    """What the C scanner of ``json`` wants to know."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = parse_constant = float
    parse_int = int


def parse_json(text: str) -> "Any":
    """The value of a JSON text. ``json`` itself, which costs 8 ms, is the way out only."""
    try:
        from _json import make_scanner

        value, end = make_scanner(JsonRules)(text.strip(), 0)  # type: ignore[arg-type]
        if end == len(text.strip()):
            return value
    except Exception:  # noqa: S110 - a private module; json below says what is wrong with the text
        pass
    import json

    return json.loads(text)


def say(message: str) -> None:
    """One line into the container's log."""
    try:
        os.write(2, f"kubernel: {message}\n".encode("utf-8", "replace"))
    except OSError:
        pass


# ---- Secrets: out of the environment, out of what other processes can read.


def take_environment() -> "dict[str, str]":
    """Removes every KUBERNEL_* variable and returns them, names in lower case without the prefix."""
    names = [name for name in os.environ if name.startswith("KUBERNEL_")]
    return {name[len("KUBERNEL_") :].lower(): os.environ.pop(name) for name in names}


def read_file(path: str, limit: int = 1 << 20) -> bytes:
    """The first ``limit`` bytes of a file; files in /proc are read in one piece, so they are consistent."""
    handle = os.open(path, os.O_RDONLY)
    try:
        pieces = []
        while limit > 0:
            piece = os.read(handle, limit)
            if not piece:
                break
            pieces.append(piece)
            limit -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(handle)


def stat_fields(pid: "object") -> "list[bytes]":
    """The fields of /proc/PID/stat from the third one on, so field n of proc(5) is ``[n - 3]``."""
    return read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()


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


def hide_secrets(taken: "dict[str, str]") -> None:
    """Makes this process unreadable for the kernel's user, and wipes the secrets from inits in front of us (tini).

    Each step may be refused (Yama, no libffi, gVisor); then the other one still holds. An init in front of us that
    Yama protects keeps the token readable: it lets user code lie about its own pod and nothing else.
    """
    names = [name for name in ("key", "token", "curve_secretkey") if taken.get(name)]
    entries = {f"KUBERNEL_{name.upper()}={taken[name]}".encode() for name in names}
    pid = os.getpid()
    try:
        while pid > 0 and erase_environment(pid, entries):
            pid = int(stat_fields(pid)[4 - 3])  # the parent: only who has exactly our secrets is touched
    except (OSError, ValueError, IndexError, OverflowError):
        pass
    try:
        import _ctypes  # ctypes itself: 5 ms

        prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
        _ctypes.call_cdeclfunction(prctl, (4, 0, 0, 0, 0))  # PR_SET_DUMPABLE, 0: no ptrace, no /proc/PID/{environ,mem}
    except Exception:  # noqa: S110 - a private module, missing in some builds
        pass


# ---- The connection file.


def quoted(text: str) -> str:
    """A JSON string; every value here is plain ASCII of our own making, or a kernel name."""
    try:
        from _json import encode_basestring_ascii as encode
    except ImportError:
        from json.encoder import encode_basestring_ascii as encode
    return str(encode(text))


def connection_text(settings: "dict[str, Any]", secrets: "dict[str, str]") -> str:
    """The connection file as Jupyter kernels read it."""
    texts = {
        "transport": "tcp",
        "ip": "0.0.0.0",
        "signature_scheme": "hmac-sha256",
        "key": secrets["key"],
        "kernel_name": settings.get("kernelName") or "",
    }
    for name in ("curve_publickey", "curve_secretkey"):
        if secrets.get(name):
            texts[name] = secrets[name]
    items = [f"{quoted(name)}: {quoted(text)}" for name, text in texts.items()]
    items += [f'"{name}_port": {int(settings["ports"][name])}' for name in JUPYTER_PORTS]
    return "{" + ", ".join(items) + "}\n"


def write_private(path: str, text: str) -> None:
    """Writes a file that only we may read, in a folder that only we may enter."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if os.path.lexists(path):  # never through a link, never into a file that others have open
        os.unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, text.encode("ascii"))
    finally:
        os.close(handle)


def write_connection_file(settings: "dict[str, Any]", secrets: "dict[str, str]") -> str:
    """Writes the connection file and returns its path; a read-only root file system still has /dev/shm."""
    wanted = str(settings["connectionFile"])
    text = connection_text(settings, secrets)
    try:
        write_private(wanted, text)
        return wanted
    except OSError as error:
        path = "/dev/shm/kubernel/" + os.path.basename(wanted)  # noqa: S108 - the container's own
        try:
            write_private(path, text)
        except OSError:
            raise StartError(1, f"cannot write the connection file {wanted} ({error}): mount an emptyDir") from error
        return path


# ---- Which program: argv as given, or a kernelspec inside the image.


def data_folders(env: "dict[str, str]") -> "list[str]":
    """The folders in which Jupyter looks for kernelspecs, most specific first. Source: jupyter_core ``paths.py``."""
    home = env.get("HOME") or "/"
    share = env.get("XDG_DATA_HOME") or os.path.join(home, ".local/share")
    prefixes = [sys.prefix]
    try:
        prefixes.append(os.path.dirname(os.path.dirname(os.path.realpath(find_program("jupyter", env)))))
    except StartError:
        pass
    folders = [path for path in env.get("JUPYTER_PATH", "").split(os.pathsep) if path]
    folders.append(env.get("JUPYTER_DATA_DIR") or os.path.join(share, "jupyter"))
    folders += [os.path.join(prefix, "share/jupyter") for prefix in [*prefixes, "/opt/conda", "/usr/local", "/usr"]]
    return list(dict.fromkeys(folders))


def find_kernelspecs(env: "dict[str, str]") -> "dict[str, str]":
    """The kernelspecs in this image: name in lower case -> folder. The first of a name wins."""
    found = {}  # type: dict[str, str]
    for folder in data_folders(env):
        kernels = os.path.join(folder, "kernels")
        try:
            names = sorted(os.listdir(kernels))
        except OSError:
            continue
        for name in names:
            if os.path.isfile(os.path.join(kernels, name, "kernel.json")):
                found.setdefault(name.lower(), os.path.join(kernels, name))
    return found


def read_kernelspec(name: str, env: "dict[str, str]") -> "tuple[list[str], dict[str, str]]":
    """The argv (placeholders but for ``{connection_file}`` filled in) and env of the kernelspec with that name."""
    specs = find_kernelspecs(env)
    folder = specs.get(name.lower())
    if folder is None:
        there = ", ".join(sorted(specs)) or "none"
        raise StartError(NOT_FOUND, f"no kernelspec named {name!r} in this image; found: {there}")
    try:
        spec = parse_json(read_file(os.path.join(folder, "kernel.json")).decode("utf-8"))
        argv = [str(item).replace("{resource_dir}", folder).replace("{prefix}", sys.prefix) for item in spec["argv"]]
        wanted = {str(key): str(value) for key, value in (spec.get("env") or {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StartError(NOT_FOUND, f"{folder}/kernel.json cannot be used: {type(error).__name__}: {error}") from error
    if argv[:1] in (["python"], ["python3"]):  # means: the Python that this kernelspec was installed with
        python = os.path.join(folder.rpartition("/share/jupyter/")[0], "bin", argv[0])
        argv[0] = python if os.access(python, os.X_OK) else argv[0]
    return argv, {key: substitute(value, env) for key, value in wanted.items()}


def substitute(text: str, env: "dict[str, str]") -> str:
    """Fills in ``${VARIABLE}`` as jupyter_client does; unknown ones stay."""
    if "$" not in text:
        return text
    from string import Template

    return Template(text).safe_substitute(env)


def find_program(name: str, env: "dict[str, str]") -> str:
    """The path of a program, as a shell finds it."""
    if "/" in name:
        candidates = [name]
    else:
        candidates = [os.path.join(folder or ".", name) for folder in env.get("PATH", os.defpath).split(os.pathsep)]
    present = [path for path in candidates if os.path.exists(path)]
    for path in present:
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    if present:
        raise StartError(NOT_EXECUTABLE, f"{name}: {present[0]} is not executable")
    where = "" if "/" in name else " on PATH ({})".format(env.get("PATH", os.defpath))
    raise StartError(NOT_FOUND, f"{name}: not found in this image{where}")


def kernel_environment(extra: "dict[str, str]") -> "dict[str, str]":
    """The kernel's environment: ours, without what would make it believe in a Jupyter server as its parent.

    A container runtime gives a user without passwd entry ``HOME=/``. Any other home stays as it is, writable or not:
    settings and packages may lie in it.
    """
    env = {**os.environ, **extra}
    env = {name: value for name, value in env.items() if name != "JPY_PARENT_PID" and not name.startswith("KUBERNEL_")}
    if env.get("HOME", "/") == "/" and not os.access("/", os.W_OK):
        env["HOME"] = "/tmp"  # noqa: S108 - the container's own /tmp
    return env


# ---- Starting it.


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
        become(path, argv, env, outputs, tell)
    os.close(tell)
    failure = os.read(told, 16)
    os.close(told)
    if not failure:
        return pid
    os.waitpid(pid, 0)
    message = f"{path} cannot be executed: {os.strerror(int(failure))}"
    raise StartError(NOT_EXECUTABLE, message)


def become(path: str, argv: "list[str]", env: "dict[str, str]", outputs: "tuple[int, int]", tell: int) -> None:
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

    def __init__(self, argv: "list[str]", taken: "dict[str, str]") -> None:
        self.settings = parse_json(taken["config"])
        self.secrets = {name: taken[name] for name in taken if name not in ("config", "supervisor")}
        self.argv = argv
        self.pipes = (os.pipe(), os.pipe())  # the kernel's stdout and stderr; they outlive each kernel process

    def start(self, extra_env: "dict[str, str]") -> int:
        """Starts the kernel and returns its pid; raises StartError."""
        path = write_connection_file(self.settings, self.secrets)
        env = kernel_environment(extra_env)
        argv = self.argv
        if not argv:
            argv, spec_env = read_kernelspec(self.settings.get("kernelName") or "python3", env)
            env = kernel_environment({**spec_env, **extra_env})
        argv = [item.replace("{connection_file}", path) for item in argv]
        return spawn(argv, env, (self.pipes[0][1], self.pipes[1][1]))


def first_start() -> "tuple[Launcher, int | None, StartError | None]":
    """Stage one: from the environment to a running kernel, or why there is none."""
    # As PID 1 a signal without handler is lost: those that come before the second stage wait for it.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, BLOCKED_AT_START)
    taken = take_environment()
    if "config" not in taken or "key" not in taken:
        say("KUBERNEL_CONFIG and KUBERNEL_KEY are missing: only the kubernel operator starts this container")
        os._exit(2)
    hide_secrets(taken)
    launcher = Launcher(sys.argv[1:], taken)
    try:
        return launcher, launcher.start({}), None
    except StartError as error:
        return launcher, None, error


if __name__ == "__main__":
    STARTED = first_start()

# ==== second stage ====
import binascii
import hashlib
import hmac
import json
import select
import signal
import socket
import threading
import time
import warnings

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0  # for a callback
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.05, 5.0
TERM_SECONDS, STOP_SECONDS = 3.0, 2.0  # from SIGTERM to SIGKILL: at the container's end, at a stop request
FLUSH_SECONDS = 1.0  # for the last report when the container is to end at once
# From SIGTERM to the container's end, at least: the pod's address refuses connections until kube-proxy, which looks
# once a second, leads them elsewhere. Those that are led to an address that is gone hang for up to two minutes.
LINGER_SECONDS = 2.0
PORTS_FREE_SECONDS = 2.0  # for the old kernel's ports to become free
HOLDERS_SECONDS = 0.2  # so long a process outside the old kernel's group may hold one of them
LINE_LIMIT, LINE_SECONDS, MAX_CONNECTIONS = 64 * 1024, 5.0, 64
LOG_LIMIT, TAIL_LIMIT = 2048, 4096  # bytes told, bytes kept: secrets in them become shorter
LONGEST_SECRET = 64
PIPE_ATOMIC = 4096  # PIPE_BUF on Linux: so much can be written without blocking when poll says POLLOUT
ACTIVITY_SECONDS = 60.0
MAX_BACKLOG = 8  # an operator that is away for a day does not need a report for each of its minutes
IDLE_CPU_SHARE = 0.01  # of one core; an idle ipykernel uses less than 10 ms in 30 s
TCP_ESTABLISHED, TCP_LISTEN = b"01", b"0A"
OOM_FILES = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")  # cgroup v1, v2


# ---- What the container's own files say.


def tcp_sockets(state: bytes) -> "list[tuple[bytes, bytes, bytes]] | None":
    """TCP sockets in that state: local address, remote address, inode. None when /proc cannot be read.

    Addresses are as /proc shows them, in hexadecimal with the port last: ``0100007F:49C1``.
    """
    tables = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            tables.append(read_file(path, 1 << 26))
        except OSError:
            pass
    if not tables:
        return None
    rows = [line.split(None, 10) for table in tables for line in table.splitlines()[1:]]
    return [(row[1], row[2], row[9]) for row in rows if len(row) > 9 and row[3] == state]


def port_of(address: bytes) -> int:
    """The port in an address of ``tcp_sockets``."""
    return int(address.rpartition(b":")[2], 16)


def has_client(port: int) -> bool:
    """Whether anyone but the container's own processes is connected to this port.

    ipykernel 7 is: its debugger has a connection to the shell port. And the peer of ``kubectl port-forward`` has a
    socket in this network namespace too, but no process in this container.
    """
    sockets = tcp_sockets(TCP_ESTABLISHED) or []
    inodes = {(local, remote): inode for local, remote, inode in sockets}
    clients = [(remote, local) for local, remote, _ in sockets if port_of(local) == port]
    if not clients:
        return False
    own = own_sockets()
    return any(inodes.get(client) not in own for client in clients)


def port_holders(ports: "set[int]") -> "list[int]":
    """Pids of the processes of this container that listen on one of these ports."""
    inodes = {inode for local, _, inode in tcp_sockets(TCP_LISTEN) or [] if port_of(local) in ports}
    return [pid for pid in processes() if not inodes.isdisjoint(sockets_of(pid))]


def kill_all(pids: "list[int]") -> None:
    """SIGKILL to each; some may have ended meanwhile."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def own_sockets() -> "set[bytes | None]":
    """Inodes of the sockets that processes of this container have open."""
    return {inode for pid in processes() for inode in sockets_of(pid)}


def sockets_of(pid: int) -> "set[bytes]":
    """Inodes of the sockets that a process has open."""
    links = descriptors(pid)
    return {link[len("socket:[") : -1].encode() for link in links if link.startswith("socket:[")}


def descriptors(pid: int) -> "list[str]":
    """What the open descriptors of a process are; those that vanish meanwhile are left out."""
    links = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                continue
    except OSError:
        pass
    return links


def processes() -> "list[int]":
    """Pids of all processes in the container."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def accepts(port: int) -> bool:
    """Whether a connection to that local port is accepted.

    It costs 0.03 ms of CPU; to read /proc/net/tcp, for which the node's whole table is searched, cost up to 9 ms.
    """
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_free(port: int) -> bool:
    """Whether a kernel could listen on that port. Not to be asked while one is about to."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as ZMQ does
        try:
            probe.bind(("0.0.0.0", port))  # and closed at once
        except OSError:
            return False
        return True


def oom_kills(paths: "tuple[str, ...]" = OOM_FILES) -> int:
    """How many processes of this container the kernel of the node has killed for memory; 0 when nothing tells."""
    for path in paths:
        try:
            rows = dict(line.split() for line in read_file(path).splitlines())
            return int(rows[b"oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def cpu_seconds() -> float:
    """CPU time of all processes in the container but this one, children that have ended included."""
    own, ticks = os.getpid(), 0
    for pid in processes():
        try:
            fields = stat_fields(pid)
        except OSError:
            continue
        own_time, of_children = fields[14 - 3 : 16 - 3], fields[16 - 3 : 18 - 3]
        ticks += sum(map(int, of_children)) + (0 if pid == own else sum(map(int, own_time)))
    return ticks / os.sysconf("SC_CLK_TCK")


def own_address() -> "str | None":
    """The address of this pod: the one that a packet to anywhere would have. Nothing is sent."""
    for family, anywhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((anywhere, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return None


# ---- One thread, one loop.


class Loop:
    """Waits for file descriptors and moments, and calls what was asked for."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._actions = {}  # type: dict[int, Callable[[], None]]
        self._timers = {}  # type: dict[object, tuple[float, Callable[[], None]]]

    def watch(self, fd: int, action: "Callable[[], None]", events: int = select.POLLIN) -> None:
        """Calls ``action`` whenever ``fd`` is ready; replaces an earlier watch."""
        self._poll.register(fd, events)
        self._actions[fd] = action

    def forget(self, fd: int) -> None:
        """Ends a watch."""
        if self._actions.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def later(self, name: object, seconds: float, action: "Callable[[], None]") -> None:
        """Calls ``action`` once after so long; replaces an earlier timer of that name."""
        self._timers[name] = (time.monotonic() + seconds, action)

    def cancel(self, name: object) -> None:
        """Ends a timer."""
        self._timers.pop(name, None)

    def turn(self) -> None:
        """Waits for the next thing to do and does it."""
        soonest = min((moment for moment, _ in self._timers.values()), default=None)
        wait = None if soonest is None else max(0.0, soonest - time.monotonic()) * 1000
        for fd, _ in self._poll.poll(wait):
            action = self._actions.get(fd)
            if action is not None:  # an action before it may have ended this watch
                action()
        now = time.monotonic()
        for name in [name for name, (moment, _) in self._timers.items() if moment <= now]:
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer[1]()


# ---- Callbacks to the operator.


def split_url(url: str) -> "tuple[str, int, str]":
    """Host, port and path of an http URL (``urllib.parse`` is a slow import)."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if scheme != "http" or not authority:
        raise ValueError(f"callbackURL must be http://HOST:PORT/PATH, not {url!r}")
    return (host if colon else authority).strip("[]"), int(port) if colon else 80, slash + path or "/"


def post(target: "tuple[str, int, str]", body: bytes, signature: str) -> int:
    """Sends one report and returns the HTTP status. Raises OSError or ValueError."""
    host, port, path = target
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"X-Kubernel-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(head.encode("ascii") + body)
        with connection.makefile("rb") as answer:
            words = answer.readline(1024).split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError("no HTTP answer")
    return int(words[1])


def callback_target(url: "str | None") -> "tuple[str, int, str] | None":
    """Where reports go; None when there is nobody to tell."""
    try:
        return split_url(url) if url else None
    except ValueError as error:
        say(f"no callbacks: {error}")
        return None


class Reporter(threading.Thread):
    """Delivers reports in order, each until it is taken. Without a target it takes none."""

    def __init__(self, target: "tuple[str, int, str] | None", token: str, on_idle: "Callable[[], None]") -> None:
        super().__init__(daemon=True)
        self._target, self._token, self._on_idle = target, token.encode(), on_idle
        self._queue = []  # type: list[bytes]
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many reports wait to be delivered."""
        with self._changed:
            return len(self._queue)

    def send(self, report: "dict[str, Any]") -> None:
        """Queues a report; a new one also ends the pause after a failed attempt."""
        if self._target is None:
            return
        with self._changed:
            self._queue.append(json.dumps(report, separators=(",", ":")).encode())
            self._changed.notify()

    def run(self) -> None:
        """Until the process ends."""
        delay = FIRST_RETRY_SECONDS
        while self._target is not None:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                body = self._queue[0]
            delivered = self._deliver(self._target, body)
            with self._changed:
                if delivered:
                    self._queue.pop(0)
                    delay = FIRST_RETRY_SECONDS
                else:
                    self._changed.wait(delay)
                    delay = min(delay * 2, LAST_RETRY_SECONDS)
            if delivered:
                self._on_idle()

    def _deliver(self, target: "tuple[str, int, str]", body: bytes) -> bool:
        signature = hmac.new(self._token, body, hashlib.sha256).hexdigest()
        try:
            status = post(target, body, signature)
        except (OSError, ValueError):
            return False
        if status in (400, 403):
            say(f"the operator refused a report with HTTP status {status}")
        return status in (204, 400, 403)


# ---- The control port.


class RequestError(Exception):
    """A request that is not done; the message is the answer's ``error``."""


def authenticated(line: bytes, nonce: str, keys: "dict[bytes, bytes]") -> "dict[str, Any]":
    """The request in ``MAC ROLE REQUEST``; raises RequestError when the MAC is not right for that role and nonce."""
    mac, _, rest = line.partition(b" ")
    role, _, text = rest.partition(b" ")
    key = keys.get(role)
    message = b"kubernel-control-v1\n" + nonce.encode() + b"\n" + text
    if not key or not hmac.compare_digest(mac, hmac.new(key, message, hashlib.sha256).hexdigest().encode()):
        raise RequestError("authentication failed")
    try:
        request = json.loads(text.decode("utf-8"))
    except ValueError:
        raise RequestError("the request is no JSON") from None
    if not isinstance(request, dict):
        raise RequestError("the request is no JSON object")
    return request


class Conversation:
    """One connection to the control port: greets, takes one line, answers, and waits for the peer to leave.

    Nothing here blocks, so a slow peer delays nobody.
    """

    def __init__(self, connection: socket.socket, server: "ControlServer") -> None:
        self.connection, self._server = connection, server
        self._nonce = binascii.hexlify(os.urandom(16)).decode()
        self._line = b""
        self._answered = False
        self._send({"nonce": self._nonce, "version": 1})

    def _send(self, answer: "dict[str, Any]") -> None:
        try:
            self.connection.send(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        except OSError:
            pass

    def readable(self) -> None:
        """Takes what has come."""
        try:
            piece = self.connection.recv(LINE_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._server.close(self)
        elif not self._answered:  # what follows the line is read and dropped: closing over it would reset the answer
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        self._line += piece
        line, newline, _ = self._line.partition(b"\n")
        if newline and len(line) < LINE_LIMIT:
            self._answer(self._server.answer(line, self._nonce))
        elif len(self._line) >= LINE_LIMIT:
            self._answer({"ok": False, "error": "a line may have at most 64 KiB"})

    def _answer(self, answer: "dict[str, Any]") -> None:
        self._answered, self._line = True, b""
        self._send(answer)
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class ControlServer:
    """Listens on the control port and hands authenticated requests to ``handle``."""

    def __init__(
        self, loop: Loop, port: int, keys: "dict[bytes, bytes]", handle: "Callable[[dict[str, Any]], dict[str, Any]]"
    ) -> None:
        self._loop, self._keys, self._handle = loop, keys, handle
        self._open = []  # type: list[Conversation]
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("0.0.0.0", port))
        self._listener.listen(128)
        self._listener.setblocking(False)
        loop.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        if len(self._open) >= MAX_CONNECTIONS:  # the oldest goes: an honest one needs a millisecond, a hoarder waits
            self.close(self._open[0])
        conversation = Conversation(connection, self)
        self._open.append(conversation)
        self._loop.watch(connection.fileno(), conversation.readable)
        self._loop.later(conversation, LINE_SECONDS, lambda: self.close(conversation))

    def close(self, conversation: Conversation) -> None:
        """Ends a conversation."""
        if conversation in self._open:
            self._open.remove(conversation)
            self._loop.cancel(conversation)
            self._loop.forget(conversation.connection.fileno())
            conversation.connection.close()

    def answer(self, line: bytes, nonce: str) -> "dict[str, Any]":
        """The answer to one request line."""
        try:
            return {"ok": True, **self._handle(authenticated(line, nonce, self._keys))}
        except RequestError as refusal:
            return {"ok": False, "error": str(refusal)}


# ---- The kernel's output.


class Relay:
    """Passes the kernel's stdout and stderr on to ours, unchanged, and remembers the last lines.

    It reads only what it can write without blocking: a container log that is stuck holds up the kernel's prints, as
    without us, but never an interrupt. It passes 110 MB/s (a bare pipe: 1 GB/s), more than a container's log takes.
    """

    def __init__(self, loop: Loop, pipes: "tuple[tuple[int, int], ...]", secrets: "list[str]") -> None:
        self._loop, self._secrets = loop, [secret for secret in secrets if secret]
        self._sources = ((pipes[0][0], 1), (pipes[1][0], 2))
        self.forget()
        for source, sink in self._sources:
            os.set_blocking(source, False)
            self._await_output(source, sink)

    def _await_output(self, source: int, sink: int) -> None:
        self._loop.watch(source, lambda: self._await_room(source, sink))

    def _await_room(self, source: int, sink: int) -> None:
        if not self._pass(source, sink):
            self._loop.forget(source)
            self._loop.watch(sink, lambda: self._resume(source, sink), select.POLLOUT)

    def _resume(self, source: int, sink: int) -> None:
        self._loop.forget(sink)
        self._await_output(source, sink)

    def _pass(self, source: int, sink: int) -> bool:
        """Passes one piece on; False when the sink has no room."""
        room = select.poll()
        room.register(sink, select.POLLOUT)
        if not room.poll(0):
            return False
        try:
            piece = os.read(source, PIPE_ATOMIC)
        except BlockingIOError:
            return True
        self._tails[sink] = (self._tails[sink] + piece)[-TAIL_LIMIT:]
        try:
            os.write(sink, piece)
        except OSError:
            pass  # nobody reads the log any more; the kernel goes on
        return True

    def drain(self) -> None:
        """Passes on what a process that has ended left in the pipes."""
        for source, sink in self._sources:
            waiting = select.poll()
            waiting.register(source, select.POLLIN)
            while waiting.poll(0) and self._pass(source, sink):
                pass

    def forget(self) -> None:
        """A new kernel process starts: earlier lines are not its."""
        self._tails = {sink: b"" for _, sink in self._sources}

    def tail(self) -> str:
        """The last lines, at most 2 KiB, without secrets: of stdout, as far as stderr leaves room, and of stderr.

        In which order a process wrote into two pipes nobody can tell; why it crashed mostly stands in stderr.
        """
        errors = self._last_lines(2, LOG_LIMIT)
        return (self._last_lines(1, LOG_LIMIT - len(errors)) + errors).decode("utf-8", "ignore")

    def _last_lines(self, sink: int, limit: int) -> bytes:
        tail = self._tails[sink]
        first = LONGEST_SECRET if len(tail) == TAIL_LIMIT else 0  # perhaps a secret was cut through
        for secret in self._secrets:
            tail = tail.replace(secret.encode(), b"[secret]")
        first = max(first, len(tail) - limit)
        rest = tail[first:]
        return rest.partition(b"\n")[2] or rest if first else rest


# ---- Whether somebody uses the kernel.


class Activity:
    """Last time that a client was connected or CPU was used, from samples of /proc.

    Whoever may run something is connected to the shell port. A server that only manages the kernel and listens to its
    activity is not: jupyter_client's KernelManager keeps the control port, jupyter_server iopub, for ever.
    """

    def __init__(self, shell_port: int) -> None:
        self._shell_port = shell_port
        self.restart()

    def restart(self) -> None:
        """A kernel has just become ready."""
        self.last = time.time()
        self._sampled, self._cpu = time.monotonic(), cpu_seconds()

    def sample(self) -> float:
        """Looks again; returns for how many seconds nothing has happened."""
        now, cpu = time.monotonic(), cpu_seconds()
        # One tick (10 ms) more than the share: that is what the clock can tell.
        used = cpu - self._cpu > (now - self._sampled) * IDLE_CPU_SHARE + 0.01
        self._sampled, self._cpu = now, cpu
        if used or has_client(self._shell_port):
            self.last = time.time()
        return time.time() - self.last


# ---- The supervisor.


class Supervisor:
    """The state of one container: which kernel process runs, and what becomes of it."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher, self.settings = launcher, launcher.settings
        self.ports = [int(self.settings["ports"][name]) for name in JUPYTER_PORTS]
        self.loop = Loop()
        self.wake = self._listen_to_signals()
        secrets = launcher.secrets
        self.relay = Relay(self.loop, launcher.pipes, list(secrets.values()))
        target = callback_target(self.settings.get("callbackURL"))
        self.reporter = Reporter(target, secrets.get("token", ""), self._woken_by_reporter)
        self.activity = Activity(int(self.settings["ports"]["shell"]))
        self.boot, self.sequence = binascii.hexlify(os.urandom(8)).decode(), 0
        self.ip = own_address()
        self.generation = int(self.settings.get("restartGeneration") or 0)
        self.env = {}  # type: dict[str, str]
        self.state = "starting"
        self.silent_ports = []  # type: list[int]
        self.pid = None  # type: int | None
        self.exit_code = None  # type: int | None
        self.signal = None  # type: int | None
        self.oom_killed = False
        self.reason = None  # type: str | None
        self.log = ""
        self.killed = False  # SIGKILL came from us
        self.restarting = False
        self.ending = False  # no restart any more
        self.flush_seconds = FLUSH_SECONDS
        self.terminated = False
        self.linger_until = 0.0
        self.done = False
        self.oom_before = oom_kills()
        self.started_at = time.monotonic()
        self.reported_activity = (0.0, 0.0)  # value, moment

    def run(self, pid: "int | None", failure: "StartError | None") -> int:
        """Supervises until the end and returns the container's exit code."""
        self.reporter.start()
        self._listen_for_requests()  # first: whoever hears of the kernel may ask for something
        self._started(pid, failure)
        while not self.done:
            self.loop.turn()
        self.relay.drain()
        return 128 + self.signal if self.signal else (self.exit_code or 0)

    # Signals and children.

    def _listen_to_signals(self) -> int:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end)
        for number in BLOCKED_AT_START:
            signal.signal(number, lambda *_: None)
        self.loop.watch(read_end, lambda: self._signals(os.read(read_end, 512)))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_AT_START)
        return write_end

    def _woken_by_reporter(self) -> None:
        try:
            os.write(self.wake, b"\0")
        except BlockingIOError:
            pass  # full of reasons to wake up already

    def _signals(self, numbers: bytes) -> None:
        self._reap()
        for number in numbers:
            if number == signal.SIGINT:
                self.signal_kernel(signal.SIGINT)
            elif number == signal.SIGTERM:
                self._terminated()
        if self.ending and self.state == "exited" and not self.reporter.waiting:
            self._end()

    def _terminated(self) -> None:
        """SIGTERM came: the container is to end. The second one means now."""
        if self.terminated:
            self._kill()
        else:
            self.terminated = True
            self.linger_until = time.monotonic() + LINGER_SECONDS
            self.stop(TERM_SECONDS)

    def _kill(self) -> None:
        self.signal_kernel(signal.SIGKILL)

    def _reap(self) -> None:
        """Collects every child that has ended, orphans too."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            leader = ended.si_pid == self.pid
            if leader:  # while it is a zombie nobody else can get its number
                self.signal_kernel(signal.SIGKILL, ours=False)
            _, status = os.waitpid(ended.si_pid, 0)
            if leader:
                self._exited(status)

    def signal_kernel(self, number: int, ours: bool = True) -> bool:
        """Sends a signal to the kernel's process group; whether there is one."""
        if self.pid is None:
            return False
        self.killed = self.killed or (ours and number == signal.SIGKILL)
        try:
            os.killpg(self.pid, number)
        except OSError:
            return False
        return True

    # The kernel's life.

    def _started(self, pid: "int | None", failure: "StartError | None") -> None:
        self.pid, self.killed, self.started_at = pid, False, time.monotonic()
        self.exit_code = self.signal = self.reason = None
        self.oom_killed, self.log = False, ""
        if failure is not None:
            say(str(failure))
            self.log = str(failure)[:LOG_LIMIT]
            self._over(failure.code, None)
            return
        self.state, self.silent_ports = "starting", list(self.ports)
        self._report("started", supervised=True)
        self._await_ready()

    def _await_ready(self) -> None:
        """Looks every 5 ms at first, later every 2 % of the time that it took so far."""
        while self.silent_ports and accepts(self.silent_ports[-1]):
            self.silent_ports.pop()
        if not self.silent_ports:
            self._ready()
            return
        age = time.monotonic() - self.started_at
        self.loop.later("ready", min(max(0.005, age / 50), 0.25), self._await_ready)

    def _ready(self) -> None:
        self.state = "running"
        self._report("ready")
        self.activity.restart()
        if self.settings.get("idleTimeoutSeconds"):
            self._watch_activity()

    def _exited(self, status: int) -> None:
        self.loop.cancel("ready")
        self.loop.cancel("kill")
        self.loop.cancel("activity")
        self.relay.drain()
        self.pid = None
        if self.restarting:
            self._start_when_free(time.monotonic() + PORTS_FREE_SECONDS)
            return
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = None if number else os.WEXITSTATUS(status)
        killed = number == signal.SIGKILL or code == 128 + signal.SIGKILL
        self.oom_killed = killed and not self.killed and oom_kills() > self.oom_before
        # After ready, output may be the user's own and does not belong into a status.
        self.log = self.relay.tail() if self.state == "starting" and code != 0 else ""
        self._over(code, number)

    def _over(self, code: "int | None", number: "int | None") -> None:
        """The kernel has ended: tells so, and gives the container its time to end."""
        self.state, self.exit_code, self.signal = "exited", code, number
        self._report(
            "exited", exitCode=code, signal=number, oomKilled=self.oom_killed, reason=self.reason, log=self.log
        )
        if self.ending:
            self._end_when_told()
        else:
            self.loop.later("end", float(self.settings["restartGraceSeconds"]), self._end_when_told)

    def _end_when_told(self) -> None:
        """No restart any more: ends when the operator knows all, or a little later."""
        self.ending = True
        self.loop.later("end", self.flush_seconds, self._end)
        if not self.reporter.waiting:
            self._end()

    def _end(self) -> None:
        left = self.linger_until - time.monotonic()
        self.done = left <= 0
        self.loop.later("end", left, self._end)

    def stop(self, seconds: float) -> None:
        """Ends the kernel, by SIGKILL after so long, and then the container at once."""
        self.ending, self.restarting = True, False
        self.loop.cancel("start")
        if self.pid is not None:
            self.signal_kernel(signal.SIGTERM)
            self.loop.later("kill", seconds, self._kill)
        elif self.state == "exited":
            self._end_when_told()
        else:  # between two kernel processes
            self._over(None, signal.SIGTERM)

    def restart(self, generation: int, env: "dict[str, str] | None") -> bool:
        """Replaces the kernel process; False when that generation, or a newer one, was asked for before."""
        if generation <= self.generation:
            return False
        if self.ending:
            raise RequestError("the container is ending")
        self.generation = generation
        self.env = self.env if env is None else env
        self.loop.cancel("end")
        self.loop.cancel("ready")
        between = self.restarting
        self.restarting, self.state = True, "starting"
        if self.pid is not None:
            self.signal_kernel(signal.SIGKILL)
        elif not between:
            self._start_when_free(time.monotonic() + PORTS_FREE_SECONDS)
        return True

    def _start_when_free(self, deadline: float) -> None:
        """Starts the next process when none that the last one left behind holds a port any more."""
        held = {port for port in self.ports if not is_free(port)}
        left = deadline - time.monotonic()
        if held and left > 0:
            if left < PORTS_FREE_SECONDS - HOLDERS_SECONDS:
                kill_all(port_holders(held))
            self.loop.later("start", 0.005, lambda: self._start_when_free(deadline))
            return
        self.restarting = False
        self.relay.forget()
        self.oom_before = oom_kills()
        try:
            self._started(self.launcher.start(self.env), None)
        except StartError as error:
            self._started(None, error)

    # Idle time.

    def _watch_activity(self) -> None:
        idle, limit = self.activity.sample(), float(self.settings["idleTimeoutSeconds"])
        if idle >= limit:
            self.reason, self.flush_seconds = "IdleTimeout", float(self.settings["restartGraceSeconds"])
            self.stop(TERM_SECONDS)
            return
        value, moment = self.reported_activity
        due = time.monotonic() - moment >= ACTIVITY_SECONDS
        if due and self.activity.last != value and self.reporter.waiting < MAX_BACKLOG:
            self.reported_activity = (self.activity.last, time.monotonic())
            self._report("activity", lastActivity=self.activity.last)
        self.loop.later("activity", min(15.0, limit / 4, limit - idle + 0.01), self._watch_activity)

    # The operator and the control port.

    def _report(self, event: str, **more: object) -> None:
        self.sequence += 1
        report = {
            "secret": self.settings["secret"],
            "pod": self.settings["pod"],
            "boot": self.boot,
            "sequence": self.sequence,
            "event": event,
            "generation": self.generation,
            "time": time.time(),
            "ip": self.ip,
            "state": self.state,
        }
        report.update(more)
        self.reporter.send(report)

    def _listen_for_requests(self) -> None:
        secrets = self.launcher.secrets
        keys = {b"connection": secrets["key"].encode(), b"operator": secrets.get("token", "").encode()}
        try:
            self.control = ControlServer(self.loop, int(self.settings["controlPort"]), keys, self._handle)
        except OSError as error:
            say(f"no control port ({error}): no signals, no restart in place")

    def _handle(self, request: "dict[str, Any]") -> "dict[str, Any]":
        """Does what an authenticated request asks for."""
        operation = request.get("op")
        if operation == "signal":
            return {"delivered": self.signal_kernel(wanted_signal(request))}
        if operation == "restart":
            return {"started": self.restart(*wanted_restart(request))}
        if operation == "stop":
            self.stop(STOP_SECONDS)
            return {}
        if operation == "status":
            return self._status()
        raise RequestError(f"unknown op {operation!r}")

    def _status(self) -> "dict[str, Any]":
        return {
            "state": self.state,
            "generation": self.generation,
            "pid": self.pid,
            "exitCode": self.exit_code,
            "signal": self.signal,
            "oomKilled": self.oom_killed,
            "reason": self.reason,
            "log": self.log,
            "ip": self.ip,
            "lastActivity": self.activity.last,
        }


def wanted_signal(request: "dict[str, Any]") -> int:
    """The signal number of a request; raises RequestError."""
    number = request.get("signum")
    if type(number) is not int or not 0 < number < signal.NSIG:
        raise RequestError("signum must be a signal number")
    return number


def wanted_restart(request: "dict[str, Any]") -> "tuple[int, dict[str, str] | None]":
    """Generation and environment of a restart request; raises RequestError."""
    generation, env = request.get("generation"), request.get("env")
    if type(generation) is not int:
        raise RequestError("generation must be a number")
    if env is not None and not (isinstance(env, dict) and all(isinstance(value, str) for value in env.values())):
        raise RequestError("env must be an object of strings")
    return generation, env


def main() -> None:
    """Stage two: supervises the kernel that stage one started."""
    warnings.simplefilter("ignore")  # Python 3.12 warns of fork beside a thread: ours holds no lock that exec needs
    launcher, pid, failure = STARTED
    os._exit(Supervisor(launcher).run(pid, failure))


if __name__ == "__main__":
    main()
