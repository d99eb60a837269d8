"""Which of a supervisor's reports counts, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kubernel_wire.callback import Callback, KernelState, MemoryUse, State, kernel_state

MIB = 1 << 20
#: Why a supervisor holds a kernel's processes: it is short of its memory limit, or somebody has paused it.
FOR_MEMORY, PAUSED = "memory", "suspended"


def in_mib(number: int) -> str:
    """Bytes as Kubernetes writes them, to the nearest MiB."""
    return f"{round(number / MIB)}Mi"


@dataclass(frozen=True)
class Report:
    """The newest that is known of the kernel process in one pod.

    Attributes:
        state: of the process of ``generation``.
        supervised: False when this is what a probe saw, in an image without Python.
        time: Unix seconds when ``state`` began, by our own clock.
        started_time: Unix seconds when the process of ``generation`` was started, if that was reported.
        reason: why the supervisor ended the kernel: ``IdleTimeout``, ``Stopped``, ``Terminated`` (SIGTERM to the
            container: somebody or the kubelet ends the pod), ``Killed`` (by a client's signal); None: by itself.
        idle_timeout_seconds: the timeout that is in force in the pod.
        memory: what the container uses; None: not known.
        memory_time: Unix seconds when that was heard; 0: it was not.
        frozen: why the kernel's processes stand still; empty: they do not.
        frozen_since: Unix seconds when they were stopped for want of memory.
        encryption: Curve or Disabled, as the kernel's ports speak; None: nobody has said.
        claim: uid of the KernelInstance that a pool's pod is bound to; "" before; None: it is no pool's.
        tells_idle_timeout: whether the supervisor says so; an old one does not, and cannot be told another one.
    """

    boot: str
    sequence: int
    generation: int
    state: State
    time: float
    ip: str | None = None
    started_time: float | None = None
    supervised: bool = True
    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool = False
    reason: str | None = None
    log: str = ""
    last_activity: float | None = None
    idle_timeout_seconds: float | None = None
    tells_idle_timeout: bool = False
    memory: MemoryUse | None = None
    memory_time: float = 0.0
    frozen: frozenset[str] = frozenset()
    frozen_since: float | None = None
    encryption: str | None = None
    claim: str | None = None

    @property
    def is_paused(self) -> bool:
        """Whether the kernel stands still because somebody wants it to."""
        return PAUSED in self.frozen

    @property
    def is_probed(self) -> bool:
        """Whether no callback of this pod ever arrived: all that is known was asked for."""
        return self.sequence < 0


def merged(known: Report | None, callback: Callback, now: float) -> Report | None:
    """The report after a callback, or None when the callback is old news.

    A supervisor numbers its callbacks; one that was sent again after its answer was lost has a number already seen.

    Args:
        known: the report before it.
        callback: what has come.
        now: Unix seconds, from which the ages in it count back.
    """
    if known is not None and known.boot == callback.boot and callback.sequence <= known.sequence:
        return None
    return _report(known, callback, now, callback.boot, callback.sequence)


def after_probe(known: Report | None, seen: Report) -> Report:
    """The report after a probe. It keeps the number of the last callback, so that an older one stays old news."""
    if known is None:
        return seen
    is_same = (known.generation, known.state) == (seen.generation, seen.state)
    return replace(seen, boot=known.boot, sequence=known.sequence, time=known.time if is_same else seen.time)


def from_control_status(answer: dict[str, Any], now: float) -> Report:
    """The report in a supervisor's answer to ``status``. Any callback counts as newer than it.

    Raises:
        MalformedReportError: the answer is none.
    """
    return _report(None, kernel_state(answer), now, "", -1)


def _report(known: Report | None, said: KernelState, now: float, boot: str, sequence: int) -> Report:
    """What was said, with moments of our own clock: a report of the same state keeps those of the first one."""
    time = now - said.age
    started = None if said.process_age is None else now - said.process_age
    if known is not None and known.generation == said.generation:
        started = known.started_time or started
        time = known.time if known.state == said.state else time
    frozen_since = None if said.frozen_seconds is None else now - said.frozen_seconds
    return Report(
        boot=boot,
        sequence=sequence,
        generation=said.generation,
        state=said.state,
        time=time,
        ip=said.ip,
        started_time=started,
        exit_code=said.exit_code,
        signal=said.signal,
        oom_killed=said.oom_killed,
        reason=said.reason,
        log=said.log,
        last_activity=None if said.idle_seconds is None else now - said.idle_seconds,
        idle_timeout_seconds=said.idle_timeout_seconds,
        encryption=said.encryption,
        tells_idle_timeout="idle_timeout_seconds" in said.model_fields_set,
        memory=said.memory,
        memory_time=now if said.memory is not None else 0.0,
        frozen=frozenset(said.frozen),
        frozen_since=frozen_since,
        claim=said.claim,
    )
