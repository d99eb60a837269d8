"""A spare kernel: initialised before anybody has asked for one, in a process that ``zygote.py`` has forked.

ipykernel's own ``initialize()`` runs, up to where a user's startup files are next. What depends on whose kernel it will
be is put off until that is known: the connection file, listening on the ports, the threads. It is part of the zygote's
program.
"""

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: What is replaced meanwhile. An ipykernel that lacks any of them makes no spare.
REPLACED = (
    "init_connection_file",
    "init_sockets",
    "_bind_socket",
    "init_heartbeat",
    "write_connection_file",
    "init_gui_pylab",
)
BEATS_SECONDS = 1.0
#: ipykernel reads it while it is initialised, for a variable of the user's.
SESSION_NAME = "JPY_SESSION_NAME"
#: How a ZMQ socket is secured, by the number of its option.
MECHANISMS = {0: "NULL", 1: "PLAIN", 2: "CURVE"}


class Spare:
    """Waits, in the middle of ``initialize()``, for what makes it somebody's kernel.

    Args:
        channel: to the supervisor. One message of ours says that it waits, the next one that it listens, and how its
            ports are secured.
        connection: of the connection file, but for keys.
        initialised: called with the application when that is so.
        become: changes directory and environment as the supervisor's message says; returns why it cannot be, or "".

    Attributes:
        is_nobodys: whether it waits, or is to be initialised before.
    """

    def __init__(
        self,
        channel: "Any",
        connection: "dict[str, Any]",
        initialised: "Callable[[Any], None]",
        become: "Callable[[dict[str, Any]], str]",
    ) -> None:
        self._channel, self._connection = channel, connection
        self._initialised, self._become = initialised, become
        self._sockets, self._threads = [], []  # type: list[tuple[Any, int]], list[Any]
        self.is_nobodys = True
        self._bind = None  # type: Any
        self._originals = []  # type: list[tuple[Any, str, Any]]

    def put_off(self) -> None:
        """Replaces what must not happen yet.

        Raises:
            KeyError: this ipykernel is another than those that are known.
        """
        import threading

        from ipykernel.heartbeat import Heartbeat
        from ipykernel.kernelapp import IPKernelApp

        init_sockets, self._bind = vars(IPKernelApp)["init_sockets"], vars(Heartbeat)["_bind_socket"]

        def without_words(app: "Any") -> None:
            app.log.disabled = True  # it would say that there are no keys
            try:
                init_sockets(app)
            finally:
                app.log.disabled = False

        def bind_later(_: "Any", socket: "Any", port: int) -> int:
            self._sockets.append((socket, port))
            return port

        def wait(app: "Any") -> None:
            self._wait(app)

        def keep(thread: "Any") -> None:
            self._threads.append(thread)

        stand_ins = (
            lambda app: app.load_connection_info(dict(self._connection)),
            without_words,
            bind_later,
            lambda _: None,
            lambda _: None,
            wait,
        )
        for name, stand_in in zip(REPLACED, stand_ins):  # noqa: B905 - Python 3.6
            self._replace(IPKernelApp, name, stand_in)
        self._replace(threading.Thread, "start", keep)

    def _replace(self, kind: "Any", name: str, stand_in: "Any") -> None:
        self._originals.append((kind, name, vars(kind)[name]))
        setattr(kind, name, stand_in)

    def _wait(self, app: "Any") -> None:
        """In the place of what comes after the shell is made: until it is somebody's, or nobody's for ever."""
        for kind, name, original in self._originals:
            setattr(kind, name, original)
        self._initialised(app)
        self._channel.send(b"{}")
        line = self._channel.recv(1 << 18)
        if not line:
            os._exit(0)
        why = self._become(json.loads(line.decode()))
        if why:
            self.tell(why)
            os._exit(0)
        self.is_nobodys = False
        move(app.shell)
        app.init_connection_file()
        spoken = self._listen(app)
        self._channel.send(json.dumps({"spoken": sorted(spoken)}).encode())
        self._channel.close()
        for thread in self._threads:
            thread.start()
        app.init_gui_pylab()

    def tell(self, why: str) -> None:
        """Says why it cannot be a kernel."""
        self._channel.send(json.dumps({"error": why}).encode())

    def _listen(self, app: "Any") -> "set[str]":
        """What ``init_sockets`` and ``init_heartbeat`` have left out; returns how the ports are secured.

        No other Python thread runs before all is bound: each call into ZMQ would wait for its turn, for up to 5 ms.
        What clients send meanwhile waits in ZMQ's own threads. The heartbeat's thread binds its port itself; whoever
        hears that the kernel listens finds that one, too.
        """
        secure, spoken = getattr(app, "_apply_curve_server_options", None), set()  # type: Any, set[str]
        for socket, port in self._sockets:
            if secure is not None:
                secure(socket)
            app._bind_socket(socket, port)
            spoken.add(mechanism_of(socket))
        debugger = getattr(app, "debug_shell_socket", None)
        if debugger is not None:
            if secure is not None:
                app._apply_curve_client_options(debugger)
            debugger.connect(app.shell_socket.last_endpoint)
        bound = self._heartbeat(app, spoken)
        return spoken if bound.wait(BEATS_SECONDS) else set()  # nothing is known: the ports are asked

    def _heartbeat(self, app: "Any", spoken: "set[str]") -> "Any":
        """Starts it; the event is set when its port is bound."""
        import threading

        from ipykernel.heartbeat import Heartbeat

        bound = threading.Event()

        def bind_and_tell(heartbeat: "Any") -> None:
            setattr(Heartbeat, "_bind_socket", self._bind)  # noqa: B010 - mypy takes an assignment for a mistake
            self._bind(heartbeat)
            spoken.add(mechanism_of(heartbeat.socket))
            bound.set()

        setattr(Heartbeat, "_bind_socket", bind_and_tell)  # noqa: B010
        app.init_heartbeat()
        return bound


def mechanism_of(socket: "Any") -> str:
    """How it is secured, as a client would find out."""
    return MECHANISMS.get(socket.mechanism, "")


def move(shell: "Any") -> None:
    """Makes IPython know directory and session that have changed since it was initialised."""
    shell.starting_dir = os.getcwd()
    visited = shell.history_manager.dir_hist  # also the user's _dh
    visited[:] = [type(visited[0])(shell.starting_dir)]
    shell.user_ns.pop("__session__", None)
    if os.environ.get(SESSION_NAME):
        shell.user_ns["__session__"] = os.environ[SESSION_NAME]
