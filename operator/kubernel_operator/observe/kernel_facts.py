"""A KernelInstance as decisions read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubernel_api.conditions import ConditionType, Reason

from .facts import Condition, Json, conditions_of, finalizers_of, number, part, seconds_of
from .sizes import Sizes, sizes

DEFAULT_START_DEADLINE_SECONDS = 300
DEFAULT_TTL_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When a kernel ends: ``spec.lifecycle``, in seconds."""

    start_deadline: float = DEFAULT_START_DEADLINE_SECONDS
    idle_timeout: float | None = None
    active_deadline: float | None = None
    ttl_after_finished: float = DEFAULT_TTL_SECONDS
    lease_name: str | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """``status.exit``: the end that was said last."""

    generation: int
    reason: str
    message: str
    time: float
    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """``status.connection``, as far as decisions read it.

    Attributes:
        supervised: whether a supervisor answers in the pod.
        encryption: Curve or Disabled, as the kernel's ports speak; None: nobody has said.
    """

    ip: str | None
    pod_ip: str | None
    supervised: bool
    encryption: str | None = None


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """What was said last of a KernelInstance.

    Attributes:
        incarnation: number of the pod it is about; 0 for none.
        was_warm: whether the pod that it is about came from a pool.
        generation: restartGeneration of the newest process that was Ready or has ended.
        raw: the whole of it, to compare with and to write patches for.
    """

    observed_generation: int | None = None
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    pod_name: str | None = None
    incarnation: int = 0
    was_warm: bool = False
    node_name: str | None = None
    generation: int | None = None
    restart_count: int | None = None
    address: Address | None = None
    exit: Exit | None = None
    last_activity: str | None = None
    times: Json = field(default_factory=dict)
    sizes: Sizes = field(default_factory=Sizes)
    raw: Json = field(default_factory=dict)

    @property
    def raw_conditions(self) -> list[Json]:
        """The conditions as they were sent."""
        found: list[Json] = self.raw.get("conditions") or []
        return found

    @property
    def is_ready(self) -> bool:
        """Whether the kernel was said to accept connections, and nothing else since but that the way to it is cut."""
        return self.says(ConditionType.READY) or any(
            c.type == ConditionType.READY and c.reason in {Reason.NODE_UNREACHABLE, Reason.CONNECTION_LOST}
            for c in self.conditions
        )

    @property
    def is_finished(self) -> bool:
        """Whether it was said to be over for good."""
        return self.says(ConditionType.FINISHED)

    def condition(self, type_: ConditionType) -> Condition | None:
        """The condition of that type, whatever it says."""
        return next((c for c in self.conditions if c.type == type_), None)

    def says(self, type_: ConditionType) -> bool:
        """Whether that condition is true."""
        return any(c.type == type_ and c.is_true for c in self.conditions)

    def since(self, type_: ConditionType) -> float | None:
        """Unix seconds at which that condition became true; None when it is not."""
        return next((seconds_of(c.since) for c in self.conditions if c.type == type_ and c.is_true), None)


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """A KernelInstance.

    Attributes:
        version: resourceVersion.
        generation: metadata.generation, which grows with each change of the spec.
        finalizers: somebody's that keep the object when it is deleted; not those of garbage collection.
        wanted: spec.restartGeneration.
        by_service: whether clients come through a Service.
        by_headless_service: whether that one is headless.
        encrypted: whether the connection needs a CurveZMQ pair, if only for the case that the kernel can use it.
        template: name of its KernelTemplate; "" for none.
        keys_by_client: whether the connection Secret is made by whoever created the KernelInstance.
        sizes: cpu and memory that the spec names itself.
        suspend: whether it is to stand still.
        raw: the whole object, for the builders of its children, which pass much of the spec through.
    """

    namespace: str
    name: str
    uid: str
    version: str
    generation: int
    deleting: bool
    finalizers: tuple[str, ...]
    wanted: int
    by_service: bool
    by_headless_service: bool
    encrypted: bool
    template: str
    keys_by_client: bool
    sizes: Sizes
    suspend: bool
    lifecycle: Lifecycle
    status: StatusFacts
    raw: Json

    def is_about(self, pod_name: str) -> bool:
        """Whether the status is about that pod."""
        return self.status.pod_name == pod_name


def kernel_facts(obj: Json) -> KernelFacts:
    """From a KernelInstance."""
    meta, spec = obj["metadata"], obj["spec"]
    connection = part(spec, "connection")
    return KernelFacts(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=str(meta.get("resourceVersion") or ""),
        generation=int(meta.get("generation") or 1),
        deleting=bool(meta.get("deletionTimestamp")),
        finalizers=finalizers_of(meta),
        wanted=number(spec.get("restartGeneration")),
        by_service=connection.get("service") != "None",
        by_headless_service=connection.get("service") == "Headless",
        encrypted=connection.get("encryption") in {"Auto", "Curve"},
        template=str(spec.get("templateName") or ""),
        keys_by_client=connection.get("keyFrom") == "Client",
        sizes=sizes(part(spec, "resources")),
        suspend=spec.get("suspend") is True,
        lifecycle=_lifecycle(part(spec, "lifecycle")),
        status=status_facts(part(obj, "status")),
        raw=obj,
    )


def status_facts(status: Json) -> StatusFacts:
    """From ``status`` of a KernelInstance."""
    return StatusFacts(
        observed_generation=status.get("observedGeneration"),
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or ""),
        conditions=conditions_of(status),
        pod_name=status.get("podName"),
        incarnation=number(status.get("podIncarnation")),
        node_name=status.get("nodeName"),
        generation=status.get("restartGeneration"),
        restart_count=status.get("restartCount"),
        address=_address(status.get("connection")),
        exit=_exit(status.get("exit")),
        last_activity=status.get("lastActivityTime"),
        times=part(status, "times"),
        sizes=sizes(part(status, "resources")),
        was_warm=part(status, "start").get("type") == "Warm",
        raw=status,
    )


def _lifecycle(lifecycle: Json) -> Lifecycle:
    ttl = lifecycle.get("ttlSecondsAfterFinished")
    return Lifecycle(
        start_deadline=float(lifecycle.get("startDeadlineSeconds") or DEFAULT_START_DEADLINE_SECONDS),
        idle_timeout=_optional(lifecycle.get("idleTimeoutSeconds")),
        active_deadline=_optional(lifecycle.get("activeDeadlineSeconds")),
        ttl_after_finished=float(DEFAULT_TTL_SECONDS if ttl is None else ttl),
        lease_name=lifecycle.get("leaseName"),
    )


def _optional(seconds: Any) -> float | None:
    return float(seconds) if seconds else None


def _address(connection: Json | None) -> Address | None:
    if not connection:
        return None
    return Address(
        connection.get("ip"), connection.get("podIP"), "controlPort" in connection, connection.get("encryption")
    )


def _exit(known: Json | None) -> Exit | None:
    if not known:
        return None
    return Exit(
        number(known.get("restartGeneration")),
        str(known.get("reason") or ""),
        str(known.get("message") or ""),
        seconds_of(known.get("finishedTime")) or 0.0,
        known.get("exitCode"),
        known.get("signal"),
        bool(known.get("oomKilled")),
    )
