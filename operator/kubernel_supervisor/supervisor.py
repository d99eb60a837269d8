"""The state of one container: which kernel process runs, and what becomes of it.

One thread does everything but deliver reports, so there is no state to lock.
"""

import binascii
import os
import signal
import time
import warnings

from .activity import Activity
from .callbacks import Reporter, callback_target
from .console import StartError, log
from .control_server import ControlServer, RequestError
from .first_stage import BLOCKED_AT_START
from .launch import Launcher
from .loop import Loop
from .output import LOG_LIMIT, Relay
from .sockets import accepts, is_free, kill_all, own_address, port_holders
from .usage import oom_kills

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TERM_SECONDS, STOP_SECONDS = 3.0, 2.0  # from SIGTERM to SIGKILL: at the container's end, at a stop request
FLUSH_SECONDS = 1.0  # for the last report when the container is to end at once
# From SIGTERM to the container's end, at least: the pod's address refuses connections until kube-proxy, which looks
# once a second, leads them elsewhere. Those that are led to an address that is gone hang for up to two minutes.
LINGER_SECONDS = 2.0
PORTS_FREE_SECONDS = 2.0  # for the old kernel's ports to become free
HOLDERS_SECONDS = 0.2  # so long a process outside the old kernel's group may hold one of them
ACTIVITY_SECONDS = 60.0
MAX_BACKLOG = 8  # an operator that is away for a day does not need a report for each of its minutes


class Supervisor:
    """The state of one container: which kernel process runs, and what becomes of it."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher, self.settings = launcher, launcher.settings
        self.ports = list(self.settings.ports.values())
        self.loop = Loop()
        self.wake = self._listen_to_signals()
        secrets = launcher.secrets
        self.relay = Relay(self.loop, launcher.pipes, list(secrets.values()))
        target = callback_target(self.settings.callback_url)
        self.reporter = Reporter(target, secrets.get("token", ""), self._woken_by_reporter)
        self.activity = Activity(self.settings.ports["shell"])
        self.boot, self.sequence = binascii.hexlify(os.urandom(8)).decode(), 0
        self.ip = own_address()
        self.generation = self.settings.restart_generation
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
            log(str(failure))
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
        if self.settings.idle_timeout_seconds:
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
            self.loop.later("end", self.settings.restart_grace_seconds, self._end_when_told)

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
        idle, limit = self.activity.sample(), self.settings.idle_timeout_seconds
        if idle >= limit:
            self.reason, self.flush_seconds = "IdleTimeout", self.settings.restart_grace_seconds
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
            "secret": self.settings.secret,
            "pod": self.settings.pod,
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
            self.control = ControlServer(self.loop, self.settings.control_port, keys, self._handle)
        except OSError as error:
            log(f"no control port ({error}): no signals, no restart in place")

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


def supervise(launcher: Launcher, pid: "int | None", failure: "StartError | None") -> None:
    """The second stage: supervises the kernel that the first one started, until the container ends."""
    warnings.simplefilter("ignore")  # Python 3.12 warns of fork beside a thread: ours holds no lock that exec needs
    os._exit(Supervisor(launcher).run(pid, failure))
