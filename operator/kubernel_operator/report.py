"""What supervisors report, and which report counts: ``docs/protocols.md``, "Callback"."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

State = Literal["starting", "running", "exited"]
# What user code in the pod could at worst send must still fit into a status: times that a calendar has (until 9999),
# exit codes and signals that Linux has.
Time = Annotated[float, Field(ge=0, lt=253_402_300_800, allow_inf_nan=False)]


class MalformedReportError(ValueError):
    """What a supervisor sent says nothing; the message names the field."""


class KernelState(BaseModel):
    """What a supervisor says of its kernel, in a callback or when it is asked."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    generation: int = Field(ge=0)
    state: State
    ip: str | None = Field(default=None, pattern=r"^[0-9a-fA-F.:]{2,45}$")
    exit_code: int | None = Field(default=None, ge=0, le=255)
    signal: int | None = Field(default=None, ge=1, le=64)
    oom_killed: bool = False
    reason: Literal["IdleTimeout"] | None = None
    log: str = Field(default="", max_length=4096)
    last_activity: Time | None = None


class Callback(KernelState):
    """Body of a callback, as the supervisor sends it."""

    secret: str = Field(pattern=r"^[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}$")
    pod: str = Field(max_length=253)
    boot: str = Field(max_length=64)
    sequence: int = Field(ge=0)
    event: Literal["started", "ready", "exited", "activity"]
    time: Time


@dataclass(frozen=True)
class Report:
    """The newest that is known of the kernel process in one pod.

    Attributes:
        state: of the process of ``generation``.
        supervised: False when this is what a probe saw, in an image without Python.
        time: Unix seconds of the event that led to ``state``, by the pod's clock, but never in our future.
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

    @property
    def is_probed(self) -> bool:
        """Whether no callback of this pod ever arrived: all that is known was asked for."""
        return self.sequence < 0


def token(operator_key: bytes, secret: str) -> str:
    """The token of a pod. ``secret`` is "namespace/secretName"."""
    return hmac.new(operator_key, secret.encode(), hashlib.sha256).hexdigest()


def verified(body: bytes, signature: str, operator_key: bytes) -> Callback | None:
    """The callback in ``body``, or None when the signature is not that of the pod it names.

    Raises:
        MalformedReportError: the body is no callback.
    """
    with _refusing():
        callback = Callback.model_validate_json(body)
    expected = hmac.new(token(operator_key, callback.secret).encode(), body, hashlib.sha256).hexdigest()
    # As bytes: texts that are not ASCII cannot be compared.
    return callback if hmac.compare_digest(expected.encode(), signature.encode(errors="replace")) else None


def merged(known: Report | None, callback: Callback, now: float) -> Report | None:
    """The report after a callback, or None when the callback is old news.

    A supervisor numbers its callbacks; one that was sent again after its answer was lost has a number already seen.
    A pod whose clock is ahead must not stretch its own grace period, hence ``now`` (Unix seconds).
    """
    if known is not None and known.boot == callback.boot and callback.sequence <= known.sequence:
        return None
    same_process = known is not None and known.generation == callback.generation
    time = min(callback.time, now)
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
    with _refusing():
        said = KernelState.model_validate(answer)
    return Report(boot="", sequence=-1, time=now, **_said(said, now))


def _said(kernel: KernelState, now: float) -> dict[str, Any]:
    """Fields of a report."""
    fields = {name: getattr(kernel, name) for name in KernelState.model_fields}
    last_activity = kernel.last_activity
    return fields | {"last_activity": None if last_activity is None else min(last_activity, now)}


@contextmanager
def _refusing() -> Iterator[None]:
    """Tells what is wrong in one line; what was sent may be long, and is not ours to show."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        raise MalformedReportError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
