"""``status`` of a KernelInstance as pydantic models; descriptions become ``kubectl explain``."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from .conditions import ConditionStatus, ConditionType, Phase, Reason
from .fields import ATOMIC, Model, Port, Quantity, Time, unique_by


class ConnectionPorts(Model):
    """The five ports of a Jupyter kernel."""

    shell: Annotated[Port, Field(description="Execution requests.")]
    iopub: Annotated[Port, Field(description="Output, published to every client.")]
    stdin: Annotated[Port, Field(description="Questions of the kernel to the person, such as input().")]
    control: Annotated[Port, Field(description="Shutdown, interrupt and debugging, beside a busy shell channel.")]
    hb: Annotated[Port, Field(description="Heartbeat: echoes what it is sent.")]


class ConnectionStatus(Model):
    """Where the kernel listens. The key is in the Secret, never here."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)
    ip: Annotated[str | None, Field(default=None, description="The address for clients.")]
    ports: Annotated[ConnectionPorts | None, Field(default=None, description="The five ports of the kernel.")]
    transport: Annotated[str | None, Field(default=None, description="Always tcp.")]
    signature_scheme: Annotated[str | None, Field(default=None, description="Always hmac-sha256.")]
    secret_name: Annotated[str | None, Field(default=None, description="Secret with the key that signs messages.")]
    control_port: Annotated[
        Port | None,
        Field(default=None, description="Port of the supervisor; absent when the image has no Python."),
    ]
    encryption: Annotated[
        str | None, Field(default=None, description="What all five ports speak: Curve, or Disabled for no encryption.")
    ]
    pod_ip: Annotated[str | None, Field(default=None, alias="podIP", description="The pod's own address.")]


class ExitStatus(Model):
    """How the kernel process ended. Absent fields are not known: absent is not 0."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)
    exit_code: Annotated[int | None, Field(default=None, description="The kernel's exit code; 128+n for signal n.")]
    signal: Annotated[int | None, Field(default=None, description="The signal that ended the kernel.")]
    reason: Annotated[str | None, Field(default=None, description="One word from the documented set.")]
    message: Annotated[str | None, Field(default=None, description="A sentence for people.")]
    oom_killed: Annotated[bool | None, Field(default=None, description="Whether memory ran out.")]
    finished_time: Annotated[Time | None, Field(default=None, description="When it ended, RFC 3339.")]
    restart_generation: Annotated[
        int | None, Field(default=None, description="The restartGeneration of the process that ended.")
    ]


class Times(Model):
    """When each step of the newest start was reached, RFC 3339."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)
    scheduled: Annotated[Time | None, Field(default=None, description="When the pod was given a node.")]
    started: Annotated[Time | None, Field(default=None, description="When the kernel process was started.")]
    ready: Annotated[Time | None, Field(default=None, description="When all five ports accepted connections.")]


class Condition(Model):
    """A Kubernetes condition."""

    type: Annotated[
        str,
        Field(
            min_length=1,
            max_length=316,
            description="Ready, Reconciling, Stalled, PodScheduled, Finished, Resizing or Suspended.",
        ),
    ]
    status: Annotated[ConditionStatus, Field(description="Whether it is so.")]
    reason: Annotated[str, Field(default="", max_length=1024, description="One word: why.")]
    message: Annotated[str, Field(default="", max_length=32768, description="A sentence: why, and what helps.")]
    observed_generation: Annotated[
        int | None, Field(default=None, ge=0, description="The metadata.generation that this condition is about.")
    ]
    last_transition_time: Annotated[
        Time | None, Field(default=None, description="When status last changed from one value to another.")
    ]


class ResourcesStatus(Model):
    """cpu and memory of the kernel's container that are in force."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)
    requests: Annotated[
        dict[str, Quantity] | None, Field(default=None, max_length=2, description="What the node holds ready.")
    ]
    limits: Annotated[
        dict[str, Quantity] | None, Field(default=None, max_length=2, description="What the kernel may use at most.")
    ]


class MemoryStatus(Model):
    """What the kernel's container uses, without the cache that the node would give up first."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)
    usage: Annotated[Quantity, Field(description="What is used, e.g. 312Mi.")]
    limit: Annotated[Quantity | None, Field(default=None, description="What may be used; absent: no limit.")]
    time: Annotated[Time, Field(description="When that was so, RFC 3339. Written when it has changed, once a minute.")]


class StartStatus(Model):
    """Where the newest pod came from; absent where its namespace has no KernelPool."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)
    type: Annotated[Literal["Warm", "Cold"], Field(description="Warm: a KernelPool's member. Cold: a pod of its own.")]
    pool: Annotated[str | None, Field(default=None, description="The KernelPool that the pod was a member of.")]
    reason: Annotated[
        str | None,
        Field(
            default=None,
            description="Why it is cold: NoPoolFits (none has pods like this one), NoMemberReady, KeyFromClient (the "
            "client made the key and gave it to nobody), ClaimRefused (by the API server), MemberFailed, or Replaced "
            "(the pod took another's place).",
        ),
    ]
    message: Annotated[
        str | None,
        Field(
            default=None,
            description="A sentence, where there is more to say: which pool is most like this kernel, and what "
            "differs, with both values; or the API server's words.",
        ),
    ]


class KernelInstanceStatus(Model):
    """What the operator saw."""

    observed_generation: Annotated[
        int | None,
        Field(
            default=None,
            ge=0,
            description="The metadata.generation that this status is about; absent until an operator has seen it.",
        ),
    ]
    conditions: Annotated[
        list[Condition],
        Field(
            default=[],
            max_length=16,
            description="Ready, Reconciling, Stalled, PodScheduled, Finished, Resizing once cpu or memory was changed, "
            "and Suspended once the kernel stood still. Programs read these.",
            json_schema_extra=unique_by("type"),
        ),
    ]
    phase: Annotated[
        str | None,
        Field(
            default=None,
            description="For people: Pending, Starting, Running, Exited, Succeeded, Failed. Derived from conditions; "
            "programs read those.",
        ),
    ]
    reason: Annotated[str | None, Field(default=None, description="One word: why it is in this phase.")]
    message: Annotated[str | None, Field(default=None, description="A sentence: why, and what helps.")]
    connection: Annotated[ConnectionStatus | None, Field(default=None, description="Where the kernel listens.")]
    public_key: Annotated[
        str | None,
        Field(
            default=None,
            max_length=64,
            description="With keyFrom Client: what its client may seal the keys of other kernels to, see "
            "connection.sealedKeys.",
        ),
    ]
    exit: Annotated[ExitStatus | None, Field(default=None, description="How the kernel process ended.")]
    pod_name: Annotated[str | None, Field(default=None, description="Name of the pod.")]
    pod_incarnation: Annotated[
        int | None,
        Field(default=None, ge=1, description="The pod's number: 1 for the first, more after each replacement."),
    ]
    node_name: Annotated[str | None, Field(default=None, description="Name of the node.")]
    image: Annotated[str | None, Field(default=None, description="The image in use.")]
    resources: Annotated[
        ResourcesStatus | None,
        Field(
            default=None,
            description="cpu and memory that are in force, which may be others than spec.resources: see Resizing.",
        ),
    ]
    memory: Annotated[
        MemoryStatus | None, Field(default=None, description="What the kernel uses, as its pod said last.")
    ]
    restart_generation: Annotated[
        int | None, Field(default=None, description="The restartGeneration that the running kernel answers.")
    ]
    restart_count: Annotated[int | None, Field(default=None, ge=0, description="How often the kernel was restarted.")]
    last_activity_time: Annotated[
        Time | None, Field(default=None, description="Last time that a client was connected or CPU was used.")
    ]
    start: Annotated[StartStatus | None, Field(default=None, description="Where the newest pod came from.")]
    times: Annotated[Times | None, Field(default=None, description="When each step of the start was reached.")]


_UNOBSERVED: Final = "No operator has seen this KernelInstance yet."

#: The schema's default: a fresh object is never mistaken for ready (kstatus), and no write is needed to say so.
UNOBSERVED_STATUS: Final[dict[str, Any]] = {
    "phase": str(Phase.PENDING),
    "reason": str(Reason.WAITING_FOR_OPERATOR),
    "message": _UNOBSERVED,
    "conditions": [
        {
            "type": str(type_),
            "status": status,
            "reason": str(Reason.WAITING_FOR_OPERATOR),
            "message": _UNOBSERVED,
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
        for type_, status in ((ConditionType.READY, "Unknown"), (ConditionType.RECONCILING, "True"))
    ],
}
