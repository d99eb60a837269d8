"""What a supervisor reports, and how a report is signed: ``docs/protocols.md``, "Callback"."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

State = Literal["waiting", "starting", "running", "exited"]
# What user code in the pod could at worst send must still fit into a status: ages that give times that a calendar has,
# exit codes and signals that Linux has, numbers that JSON has.
Age = Annotated[float, Field(ge=0, le=10 * 365 * 86_400, allow_inf_nan=False)]
INTEGER_MAX = 2**53


class MalformedReportError(ValueError):
    """What a supervisor sent says nothing; the message names the field."""


class MemoryUse(BaseModel):
    """Memory of a container, in bytes.

    Attributes:
        usage: without the cache that the node would give up first.
        limit: None: none.
        available: what the node has left; None: not known.
    """

    model_config = ConfigDict(extra="ignore")

    usage: int = Field(ge=0, le=INTEGER_MAX)
    limit: int | None = Field(default=None, ge=0, le=INTEGER_MAX)
    available: int | None = Field(default=None, ge=0, le=INTEGER_MAX)


class KernelState(BaseModel):
    """What a supervisor says of its kernel, in a callback or when it is asked.

    Attributes:
        age: seconds since ``state`` began. Ages and no times: the clocks of two machines differ.
        process_age: seconds since the process of ``generation`` was started; None before.
        reason: why the supervisor ended the kernel: ``IdleTimeout``, ``Stopped`` (the control port's ``stop``),
            ``Terminated`` (SIGTERM to the container), ``Killed`` (by the SIGTERM or SIGKILL that a client has sent);
            None when it ended by itself. A newer supervisor may know more.
        log: last output of a kernel that did not get ready, or what keeps it from that.
        idle_seconds: seconds since the last activity; None when nobody looks.
        idle_timeout_seconds: the timeout that is in force.
        memory: what is used; None: not known.
        frozen: why the kernel's processes stand still: ``memory``; a newer supervisor may know more.
        frozen_seconds: since when they do for want of memory.
        encryption: what the kernel's ports speak; None until it has been ready.
        claim: uid of the KernelInstance that a pool's pod is bound to, "" before; None: it is no pool's.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    generation: int = Field(ge=0, le=INTEGER_MAX)
    state: State
    age: Age
    process_age: Age | None = None
    ip: str | None = Field(default=None, pattern=r"^[0-9a-fA-F.:]{2,45}$")
    exit_code: int | None = Field(default=None, ge=0, le=255)
    signal: int | None = Field(default=None, ge=1, le=64)
    oom_killed: bool = False
    reason: str | None = Field(default=None, pattern=r"^[A-Za-z]{1,64}$")
    log: str = Field(default="", max_length=4096)
    idle_seconds: Age | None = None
    idle_timeout_seconds: Age | None = None
    memory: MemoryUse | None = None
    frozen: tuple[Annotated[str, Field(pattern=r"^[a-z]{1,64}$")], ...] = Field(default=(), max_length=8)
    frozen_seconds: Age | None = None
    encryption: Literal["Curve", "Disabled"] | None = None
    claim: str | None = Field(default=None, max_length=64)


class Callback(KernelState):
    """Body of a callback, as the supervisor sends it."""

    secret: str = Field(pattern=r"^[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}$")
    pod: str = Field(max_length=253)
    boot: str = Field(max_length=64)
    sequence: int = Field(ge=0, le=INTEGER_MAX)


def token(operator_key: bytes, secret: str) -> str:
    """The token of a pod. ``secret`` is "namespace/secretName"."""
    return hmac.new(operator_key, secret.encode(), hashlib.sha256).hexdigest()


def pod_secret_mark(operator_key: bytes, secret: str, content: str = "") -> str:
    """The part of the name of the pod's own Secret that nobody guesses.

    Args:
        operator_key: makes it.
        secret: "namespace/secretName".
        content: digest of the supervisor that the Secret's script starts, and what else is in it. An operator of
            another version makes another Secret: it can neither read nor change the one that is there.
    """
    text = "\n".join(["pod secret", secret, *([content] if content else [])])
    return hmac.new(operator_key, text.encode(), hashlib.sha256).hexdigest()[:32]


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


def proof(token: str, signature: str) -> str:
    """What an answer to a callback shows: that its sender knows the token as well, and has got this callback."""
    return hmac.new(token.encode(), f"kubernel-callback-v2\n{signature}".encode(), hashlib.sha256).hexdigest()


def kernel_state(answer: dict[str, Any]) -> KernelState:
    """What a supervisor's answer to ``status`` says.

    Raises:
        MalformedReportError: the answer says nothing.
    """
    with _refusing():
        return KernelState.model_validate(answer)


@contextmanager
def _refusing() -> Iterator[None]:
    """Tells what is wrong in one line; what was sent may be long, and is not ours to show."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        raise MalformedReportError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
