"""The supervisor: which kernel process runs in the container, and what becomes of it.

One thread does everything but deliver reports, so there is no state to lock.
"""

import binascii
import os
import signal
import socket
import time
import warnings

from kubernel_supervisor.fork.forks import ForkError, Forks
from kubernel_supervisor.memory.cpu_alarm import ALARM
from kubernel_supervisor.memory.freezer import SUSPENDED, Freezer
from kubernel_supervisor.memory.kernel_memory import KernelMemory
from kubernel_supervisor.start.console import NOT_EXECUTABLE, StartError, log
from kubernel_supervisor.start.first_stage import BLOCKED_AT_START
from kubernel_supervisor.start.launch import Child, Launcher, raise_oom_score
from kubernel_supervisor.start.procfs import descendants

from .activity import Activity
from .callbacks import Reporter, usable_targets
from .control_requests import Binding, RequestError
from .control_server import ControlServer
from .idle_timeout import IdleTimeout
from .kernel_state import KernelState
from .loop import Loop
from .operations import handle
from .output import Relay
from .readiness import Readiness
from .sockets import family_of, is_free

TERM_SECONDS = 3.0  # from SIGTERM to SIGKILL at the container's end
FLUSH_SECONDS = 1.0  # for the last report when the container is to end at once
# From SIGTERM to the container's end, at least: the pod's address refuses connections until kube-proxy, which looks
# once a second, leads them elsewhere. Those that are led to an address that is gone hang for up to two minutes.
LINGER_SECONDS = 2.0
ANSWERED_SECONDS = 1.0  # from an answer to the report that says the same, in case that it got lost
PORTS_FREE_SECONDS = 2.0  # for the old kernel's ports to become free, and its descendants to be gone


class Supervisor:
    """The state of one container."""

    def __init__(self, launcher: Launcher, zygote: str) -> None:
        self.launcher, self.settings = launcher, launcher.settings
        self.ports = list(self.settings.ports.values())
        self.loop = Loop()
        self.wake = self._listen_to_signals()
        self.token = launcher.secrets["token"]
        self.freezer = Freezer()
        self.forks = Forks(self.loop, launcher, zygote, lambda: bool(self.freezer.reasons))
        self.relay = Relay(self.loop, launcher.pipes, list(launcher.secrets.values()))
        boot = binascii.hexlify(os.urandom(8)).decode()
        envelope = {"version": 2, "secret": self.settings.secret, "pod": self.settings.pod, "boot": boot}
        targets = usable_targets(self.settings.callback_urls)
        self.reporter = Reporter(targets, self.token, envelope, self._woken_by_reporter)
        self.kernel = KernelState(
            self.settings.restart_generation, self.settings.address, self.settings.idle_timeout_seconds
        )
        self.control = None  # type: ControlServer | None
        self.keys = {b"connection": launcher.secrets["key"].encode(), b"operator": self.token.encode()}
        activity = Activity(self.settings.ports["shell"], lambda: self.forks.keeps)
        self.idle = IdleTimeout(self.loop, self.kernel, activity, self.freezer, self._report, self._idle_too_long)
        guard = self.settings.memory_guard
        self.memory = KernelMemory(
            self.loop, self.kernel, self.freezer, guard, self._report, self._interrupt, self.forks.give_back
        )
        self.last_output = None, ""  # type: tuple[int | None, str]  # generation of the kernel that ended last
        self.env = None  # type: dict[str, str] | None
        self.readiness = Readiness(self.loop, self.kernel, self.settings, self._report, self._ready)
        self.child = None  # type: Child | None
        self.sent = set()  # type: set[int]  # SIGTERM and SIGKILL, which came from us or a client
        self.restarting = False
        self.ending = False  # no restart any more
        self.report_after = 0.0  # seconds after which a report is sent: the operator is about to be answered the same
        self.flush_seconds = FLUSH_SECONDS
        self.terminated = False
        self.linger_until = 0.0
        self.done = False

    def run(self, child: "Child | None", failure: "StartError | None") -> int:
        """Supervises until the end and returns the container's exit code."""
        self.reporter.start()
        self._listen_for_requests()  # first: whoever hears of the kernel may ask for something
        if self.settings.is_member:
            self._wait_for_a_kernel()
        else:
            self._started(child, failure)
        while not self.done:
            self.loop.turn()
        self.relay.drain()
        return 128 + self.kernel.signal if self.kernel.signal else (self.kernel.exit_code or 0)

    # Signals and processes.

    def _listen_to_signals(self) -> int:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end)
        for number in (*BLOCKED_AT_START, ALARM):
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
                self._terminate()
            elif number == ALARM:
                self.memory.busy()
        if self.ending and self.kernel.state == "exited" and not self.reporter.is_waiting:
            self._end()

    def _terminate(self) -> None:
        """SIGTERM came: the container is to end. The second one means now."""
        if self.terminated:
            self._kill()
        else:
            self.terminated = True
            self.linger_until = time.monotonic() + LINGER_SECONDS
            self.stop(TERM_SECONDS, "Terminated")

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
            leader = self.child is not None and ended.si_pid == self.child.pid
            if leader:  # while it is a zombie nobody else can get its number
                self.signal_kernel(signal.SIGKILL, ours=False)
            _, status = os.waitpid(ended.si_pid, 0)
            if leader:
                self._exited(status)
            self.memory.process_ended()

    def signal_kernel(self, number: int, ours: bool = True) -> bool:
        """Sends a signal to the kernel's process group; whether there is one."""
        if self.child is None:
            return False
        if ours and number in (signal.SIGTERM, signal.SIGKILL):
            self.sent.add(number)
        try:
            try:
                os.killpg(self.child.pid, number)
            except ProcessLookupError:  # it has no group of its own yet
                os.kill(self.child.pid, number)
        except OSError:
            return False
        return True

    def _interrupt(self) -> None:
        self.signal_kernel(signal.SIGINT)

    # A member of a pool.

    def _wait_for_a_kernel(self) -> None:
        self.kernel.claim = ""
        self.forks.prepare_at_once(self._prepared)

    def _prepared(self) -> None:
        self.kernel.become("waiting")
        self._report()

    def bind(self, binding: Binding) -> None:
        """Makes this member the container of one kernel, and starts that one."""
        self.kernel.claim = binding.claim
        self.launcher.bind(binding)
        self.relay.hide(list(binding.keys.values()))
        self.keys[b"connection"] = binding.keys["key"].encode()
        self.kernel.generation = binding.generation
        self.kernel.idle_timeout_seconds = binding.idle_timeout_seconds
        self.kernel.starting(self.kernel.memory)
        try:
            spare = self.forks.take_spare(None)
        except StartError as error:
            self._started(None, error)
            return
        if spare is not None:
            self.child, self.sent = spare, set()
            self._runs(spare)
            self.report_after = ANSWERED_SECONDS
            self.readiness.begin(spare.spoken, listens=bool(spare.spoken))
            self.report_after = 0.0
            return  # the answer says all that there is to tell
        self.restarting = True
        self.loop.later("start", 0.0, lambda: self._start_when_free(time.monotonic() + PORTS_FREE_SECONDS))

    # The kernel's life.

    def _started(self, child: "Child | None", failure: "StartError | None") -> None:
        self.child, self.sent = child, set()
        self.kernel.starting()
        if failure is not None:
            self._could_not_start(failure.code, str(failure))
        elif child is not None and child.told >= 0:
            self.loop.watch(child.told, lambda: self._executed(child))
        elif child is not None:
            self._executed(child)

    def _could_not_start(self, code: int, message: str) -> None:
        log(message)
        self.kernel.tell_log(message)
        self._over(code, None)

    def _executed(self, child: Child) -> None:
        """The program runs, or its process is about to end since it could not be executed."""
        self.loop.forget(child.told)
        if child.failure():
            return
        self._runs(child)
        self._report()
        # A forked one has the modules, and reads the settings, of the one before, if there was any.
        as_before = ["CURVE"] if child.is_forked and self.kernel.encryption == "Curve" else []
        self.readiness.begin(child.spoken or as_before, listens=bool(child.spoken))

    def _runs(self, child: Child) -> None:
        raise_oom_score(child.pid)
        self.kernel.process_since = time.monotonic()
        self.memory.begin(child.pid)

    def _ready(self) -> None:
        took = time.monotonic() - (self.kernel.process_since or time.monotonic())
        if self.child is not None:
            self.relay.works(self.child.pid)
        self.kernel.become("running")
        self.kernel.log = ""
        self.idle.begin()
        self._report()
        self.forks.prepare(self.env, took)

    def _exited(self, status: int) -> None:
        child, self.child = self.child, None
        self._continue()
        self.forks.kernel_ends()
        self.readiness.cancel()
        self.loop.cancel("kill")
        self.idle.cancel()
        self.relay.drain()
        failure = ""
        if child is not None:
            self.loop.forget(child.told)
            failure = child.failure()
        if self.restarting:
            self._start_when_free(time.monotonic() + PORTS_FREE_SECONDS)
            return
        if failure:
            self._could_not_start(NOT_EXECUTABLE, failure)
            return
        self.last_output = self.kernel.generation, self.relay.last_output()
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = None if number else os.WEXITSTATUS(status)
        self.kernel.oom_killed = signal.SIGKILL not in self.sent and self.memory.has_killed(code, number)
        if number in self.sent and self.kernel.reason is None:  # what ends it by itself has said why
            self.kernel.reason = "Killed"
        if self.kernel.state == "starting":
            # Only then: what is printed after ready may be the user's own and does not belong into a status.
            self.kernel.tell_log(self.relay.tail(), self.readiness.note())
        else:
            self.kernel.log = ""
        self._over(code, number)

    def _over(self, code: "int | None", number: "int | None") -> None:
        """The kernel has ended: tells so, and gives the container its time to end."""
        self.kernel.become("exited")
        self.kernel.exit_code, self.kernel.signal = code, number
        self._report()
        if self.ending:
            self._end_when_told()
        else:
            self.loop.later("end", self.settings.restart_grace_seconds, self._end_when_told)

    def _end_when_told(self) -> None:
        """No restart any more: ends when the operator knows all, or a little later."""
        self.ending = True
        self.loop.later("end", self.flush_seconds, self._end)
        if not self.reporter.is_waiting:
            self._end()

    def _end(self) -> None:
        left = self.linger_until - time.monotonic()
        self.done = left <= 0
        self.loop.later("end", left, self._end)

    def stop(self, seconds: float, reason: str) -> None:
        """Ends the kernel, by SIGKILL after so many seconds, and then the container at once."""
        self.ending, self.restarting = True, False
        self.loop.cancel("start")
        if self.kernel.state == "exited":
            self._end_when_told()
            return
        self.kernel.reason = self.kernel.reason or reason
        if self.child is not None:
            self.signal_kernel(signal.SIGTERM)
            self._continue()
            self.loop.later("kill", seconds, self._kill)
        else:  # between two kernel processes
            self._over(None, signal.SIGTERM)

    def _idle_too_long(self) -> None:
        self.flush_seconds = self.settings.restart_grace_seconds
        self.stop(TERM_SECONDS, "IdleTimeout")

    def _continue(self) -> None:
        """Nothing holds a kernel that is to end, or has ended."""
        self.memory.end()
        self.freezer.release(SUSPENDED)

    def expect_restart(self) -> None:
        """The kernel was asked to end, to be restarted then."""
        if self.kernel.state == "running" and not self.ending:
            self.forks.expect_restart(self.env)

    def restart(self, generation: int, env: "dict[str, str] | None") -> bool:
        """Replaces the kernel process; False when that generation, or a newer one, was asked for before."""
        if generation <= self.kernel.generation:
            return False
        if self.ending:
            raise RequestError("the container is ending")
        self.kernel.generation = generation
        self.env = self.env if env is None else env
        self.loop.cancel("end")
        self.readiness.cancel()
        between = self.restarting
        self.restarting = True
        self.forks.kernel_ends()
        self._continue()
        self.kernel.starting()
        if self.child is not None:
            self.signal_kernel(signal.SIGKILL)
        elif not between:
            self._start_when_free(time.monotonic() + PORTS_FREE_SECONDS)
        return True

    def _start_when_free(self, deadline: float) -> None:
        """Starts the next process when nothing is left of the last one: no descendant, no port that is held."""
        left_behind = set(descendants(os.getpid())) - set(self.forks.keeps)
        for pid in left_behind:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass  # it has ended meanwhile
        free = all(is_free(self.settings.any_address, port) for port in self.ports)
        if (left_behind or not free or self.forks.is_initialising) and time.monotonic() < deadline:
            self.loop.later("start", 0.005, lambda: self._start_when_free(deadline))
            return
        child, failure = None, None
        try:
            child = self.forks.start(self.env)
        except StartError as error:
            failure = error
        except ForkError:
            self._start_when_free(time.monotonic() + PORTS_FREE_SECONDS)
            return
        self.restarting = False
        self.relay.forget()
        self.memory.look_at_kills()
        self._started(child, failure)

    # What may be changed.

    def configure(self, idle_timeout_seconds: float, suspend: "bool | None") -> None:
        """Changes the idle timeout (0: none), and pauses or continues the kernel; None leaves that as it is."""
        runs = self.kernel.state == "running" and not self.ending
        self.idle.configure(idle_timeout_seconds, runs)
        if suspend and runs and self.child is not None:
            self.freezer.hold(SUSPENDED, self.child.pid)
        elif suspend is False:
            self.freezer.release(SUSPENDED)
        self._report()

    # The operator and the control port.

    def _report(self) -> None:
        self.loop.cancel("report")
        if self.control is not None:
            self.control.state_is(self.kernel.state)
        if self.report_after:
            self.loop.later("report", self.report_after, self._report)
            return
        self.memory.note()
        self.reporter.send(self.kernel.snapshot())

    def _listen_for_requests(self) -> None:
        if self.launcher.control_listener >= 0:
            family, number = family_of(self.settings.address), self.launcher.control_listener
            listener = socket.socket(family, socket.SOCK_STREAM, 0, number)
            self.control = ControlServer(self.loop, listener, self.keys, lambda request: handle(self, request))


def supervise(launcher: Launcher, child: "Child | None", failure: "StartError | None", zygote: str) -> None:
    """The second stage: supervises the kernel that the first one started, until the container ends."""
    warnings.simplefilter("ignore")  # Python 3.12 warns of fork beside a thread: ours holds no lock that exec needs
    os._exit(Supervisor(launcher, zygote).run(child, failure))
