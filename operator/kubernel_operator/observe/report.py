"""Which of a supervisor's reports counts, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kubernel_wire.callback import Callback, KernelState, State, kernel_state


@dataclass(frozen=True)
class Report:
    """The newest that is known of the kernel process in one pod.

    Attributes:
        state: of the process of ``generation``.
        supervised: False when this is what a probe saw, in an image without Python.
        time: when ``state`` was reached, in Unix seconds of our own clock: when it was heard of, less its age.
        idle_timeout_seconds: the timeout that is in force in the pod.
        tells_idle_timeout: whether the supervisor says so; an old one does not, and cannot be told another one.
        started_time: Unix seconds when the process of ``generation`` was started, if that was reported.
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

    @property
    def is_probed(self) -> bool:
        """Whether no callback of this pod ever arrived: all that is known was asked for."""
        return self.sequence < 0


def merged(known: Report | None, callback: Callback, now: float) -> Report | None:
    """The report after a callback, or None when the callback is old news.

    A supervisor numbers its callbacks; one that was sent again after its answer was lost has a number already seen.
    The pod's clock may be minutes away from ours, so its times count for nothing: ``now`` (Unix seconds) and ages do.
    """
    if known is not None and known.boot == callback.boot and callback.sequence <= known.sequence:
        return None
    same_process = known is not None and known.generation == callback.generation
    time = now - (callback.age or 0.0)
    return Report(
        boot=callback.boot,
        sequence=callback.sequence,
        time=known.time if known is not None and callback.event == "activity" else time,
        started_time=known.started_time if known is not None and same_process else time,
        **_said(callback, now),
    )


def after_probe(known: Report | None, seen: Report) -> Report:
    """The report after a probe. It keeps the number of the last callback, so that an older one stays old news."""
    if known is None:
        return seen
    same_process = known.generation == seen.generation
    started_time = known.started_time if same_process else seen.started_time
    return replace(seen, boot=known.boot, sequence=known.sequence, started_time=started_time)


def from_control_status(answer: dict[str, Any], now: float) -> Report:
    """The report in a supervisor's answer to ``status``. Any callback counts as newer than it.

    Raises:
        MalformedReportError: the answer is none.
    """
    kernel = kernel_state(answer)
    return Report(boot="", sequence=-1, time=now - (kernel.age or 0.0), **_said(kernel, now))


def _said(kernel: KernelState, now: float) -> dict[str, Any]:
    """Fields of a report."""
    fields = {name: getattr(kernel, name) for name in KernelState.model_fields if name != "age"}
    last_activity = kernel.last_activity
    fields["tells_idle_timeout"] = "idle_timeout_seconds" in kernel.model_fields_set
    return fields | {"last_activity": None if last_activity is None else min(last_activity, now)}
