"""The KernelInstance resource as pydantic models: the one source of the CRD.

Descriptions become ``kubectl explain``. ``CEL`` in a model's ``json_schema_extra`` becomes
``x-kubernetes-validations``. The operator works on raw dicts and uses these models only to write the CRD and in tests.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from .conditions import ConditionType, Phase, Reason

Port = Annotated[int, Field(ge=1, le=65535)]
Quantity = Annotated[
    int | str,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        }
    ),
]
ShortText = Annotated[str, Field(max_length=253)]


def rule(expression: str, message: str, **extra: str) -> dict[str, str]:
    """A CEL rule: ``rule`` must be true, else the API server refuses the object with ``message``."""
    return {"rule": expression, "message": message, **extra}


def immutable(*fields: str) -> list[dict[str, str]]:
    """Rules on an object that keep fields as they were, also against adding or removing them."""
    return [
        rule(
            f"has(self.{f}) == has(oldSelf.{f}) && (!has(self.{f}) || self.{f} == oldSelf.{f})",
            f"{f} is immutable: it shapes the pod; delete the KernelInstance and create another",
            fieldPath=f".{f}",
        )
        for f in fields
    ]


class Model(BaseModel):
    """camelCase on the wire, closed to unknown fields."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class LocalObjectReference(Model):
    """A reference to an object in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253, description="Name of the object.")]


class EnvVar(Model):
    """One environment variable with a literal value. There is no valueFrom: it would read any Secret."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$",
            description="Name of the variable.",
        ),
    ]
    value: Annotated[str, Field(default="", max_length=8192, description="Its literal value; $(VAR) is not expanded.")]


class Kernel(Model):
    """Which kernel runs in the container."""

    argv: Annotated[
        list[Annotated[str, Field(max_length=4096)]] | None,
        Field(
            default=None,
            min_length=1,
            max_length=64,
            description="The kernel's command. {connection_file} becomes the path of the connection file in the pod. "
            "Default: python3 -m ipykernel_launcher -f {connection_file}.",
        ),
    ]
    name: Annotated[
        str | None,
        Field(
            default=None,
            min_length=1,
            max_length=253,
            pattern=r"^[a-zA-Z0-9._-]+$",
            description="Name of a kernelspec. Without argv, the kernelspec of that name inside the image is started; "
            "with argv it is only shown.",
        ),
    ]
    language: Annotated[
        str | None, Field(default=None, max_length=63, description="The kernel's programming language, for display.")
    ]
    display_name: Annotated[
        str | None, Field(default=None, max_length=253, description="What people see in their notebook.")
    ]
    interrupt_mode: Annotated[
        Literal["message", "signal"],
        Field(
            default="message",
            description="How a client interrupts the kernel: message sends interrupt_request on the control channel; "
            "signal sends SIGINT through the supervisor.",
        ),
    ]


class Resources(Model):
    """Compute resources of the kernel's container. GPUs are resources: limits nvidia.com/gpu."""

    requests: Annotated[
        dict[str, Quantity] | None,
        Field(default=None, max_length=16, description="What the scheduler reserves, e.g. cpu 500m, memory 1Gi."),
    ]
    limits: Annotated[
        dict[str, Quantity] | None,
        Field(default=None, max_length=16, description="What the kernel may use at most."),
    ]


class Toleration(Model):
    """Lets the pod be scheduled onto nodes with a matching taint."""

    key: Annotated[ShortText | None, Field(default=None, description="Taint key; empty with Exists matches all.")]
    operator: Annotated[
        Literal["Exists", "Equal"], Field(default="Equal", description="How key and value are compared.")
    ]
    value: Annotated[ShortText | None, Field(default=None, description="Taint value, with operator Equal.")]
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None,
        Field(default=None, description="Taint effect; empty matches all."),
    ]
    toleration_seconds: Annotated[
        int | None, Field(default=None, ge=0, description="How long a NoExecute taint is tolerated, in seconds.")
    ]


class PersistentVolumeClaimVolume(Model):
    """A PersistentVolumeClaim in the same namespace."""

    claim_name: Annotated[str, Field(min_length=1, max_length=253, description="Name of the claim.")]


class EmptyDirVolume(Model):
    """An empty folder that lives as long as the pod."""

    medium: Annotated[
        Literal["", "Memory"], Field(default="", description="Memory makes it a tmpfs, e.g. for /dev/shm.")
    ]
    size_limit: Annotated[Quantity | None, Field(default=None, description="Upper limit of its size.")]


class Volume(Model):
    """A volume and where it is mounted. There are no hostPath, Secret or projected volumes."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "has(self.persistentVolumeClaim) != has(self.emptyDir)",
                    "a volume has exactly one of persistentVolumeClaim and emptyDir",
                ),
                rule("self.mountPath.startsWith('/')", "mountPath must be an absolute path", fieldPath=".mountPath"),
            ]
        }
    )
    name: Annotated[
        str,
        Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="Name of the volume, unique."),
    ]
    mount_path: Annotated[str, Field(min_length=1, max_length=4096, description="Absolute path in the container.")]
    sub_path: Annotated[
        str | None, Field(default=None, max_length=4096, description="Path inside the volume, instead of its root.")
    ]
    read_only: Annotated[bool, Field(default=False, description="Mount read-only.")]
    persistent_volume_claim: Annotated[
        PersistentVolumeClaimVolume | None, Field(default=None, description="A claim in the same namespace.")
    ]
    empty_dir: Annotated[EmptyDirVolume | None, Field(default=None, description="An empty folder.")]


class Connection(Model):
    """How clients reach the kernel."""

    service: Annotated[
        Literal["ClusterIP", "None"],
        Field(
            default="ClusterIP",
            description="ClusterIP keeps one address when the pod is replaced. None hands out the pod's own address: "
            "faster to start, but it changes with the pod.",
        ),
    ]
    encryption: Annotated[
        Literal["Disabled", "Curve"],
        Field(default="Disabled", description="Curve encrypts all channels with CurveZMQ (ipykernel 7.3 or newer)."),
    ]


class Lifecycle(Model):
    """When a kernel ends. All durations are in seconds."""

    start_deadline_seconds: Annotated[
        int,
        Field(default=300, ge=1, le=86400, description="A kernel that is not Ready by then has failed: StartTimeout."),
    ]
    idle_timeout_seconds: Annotated[
        int | None,
        Field(
            default=None,
            ge=1,
            le=31536000,
            description="End the kernel after so long without a connected client and without CPU use. Off by default.",
        ),
    ]
    active_deadline_seconds: Annotated[
        int | None,
        Field(default=None, ge=1, le=31536000, description="End the kernel so long after its start. Off by default."),
    ]
    ttl_seconds_after_finished: Annotated[
        int, Field(default=300, ge=0, le=31536000, description="A finished KernelInstance is deleted after so long.")
    ]
    lease_name: Annotated[
        str | None,
        Field(
            default=None,
            min_length=1,
            max_length=253,
            description="A Lease in the same namespace that the creating server renews. When it expires, the kernel "
            "is an orphan and is deleted.",
        ),
    ]


class KernelInstanceSpec(Model):
    """What to run. Everything that shapes the pod is immutable; lifecycle and restartGeneration may change."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                *immutable(
                    "image",
                    "imagePullPolicy",
                    "imagePullSecrets",
                    "kernel",
                    "env",
                    "workingDir",
                    "resources",
                    "nodeSelector",
                    "tolerations",
                    "runtimeClassName",
                    "priorityClassName",
                    "volumes",
                    "connection",
                ),
                rule(
                    "self.restartGeneration >= oldSelf.restartGeneration",
                    "restartGeneration only grows: a higher number asks for a restart",
                    fieldPath=".restartGeneration",
                ),
            ]
        }
    )
    image: Annotated[
        str | None,
        Field(
            default=None,
            min_length=1,
            max_length=1024,
            description="Container image with a Jupyter kernel in it; nothing else is needed in it. "
            "Default: the operator's default image.",
        ),
    ]
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None,
        Field(default=None, description="When the image is pulled. Default: the operator's, IfNotPresent."),
    ]
    image_pull_secrets: Annotated[
        list[LocalObjectReference] | None,
        Field(
            default=None,
            max_length=16,
            description="Secrets in this namespace with the credentials of image registries.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    kernel: Annotated[Kernel | None, Field(default=None, description="Which kernel runs in the container.")]
    env: Annotated[
        list[EnvVar] | None,
        Field(
            default=None,
            max_length=256,
            description="Environment of the kernel. Readable by everyone who may read this object: no place for "
            "secrets. 64 KiB at most in all.",
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ]
    working_dir: Annotated[
        str | None,
        Field(default=None, max_length=4096, description="Working directory of the kernel. Default: the image's."),
    ]
    resources: Annotated[
        Resources | None, Field(default=None, description="Compute resources. Default: the operator's.")
    ]
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]] | None,
        Field(default=None, max_length=32, description="Labels that the node must have."),
    ]
    tolerations: Annotated[
        list[Toleration] | None, Field(default=None, max_length=32, description="Taints that the pod tolerates.")
    ]
    runtime_class_name: Annotated[
        ShortText | None, Field(default=None, description="RuntimeClass of the pod, e.g. gvisor.")
    ]
    priority_class_name: Annotated[ShortText | None, Field(default=None, description="PriorityClass of the pod.")]
    volumes: Annotated[
        list[Volume] | None,
        Field(
            default=None,
            max_length=32,
            description="Volumes and where they are mounted. Any volume makes a start about 0.3 s slower.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    connection: Annotated[Connection, Field(default={}, description="How clients reach the kernel.")]
    lifecycle: Annotated[Lifecycle, Field(default={}, description="When a kernel ends.")]
    restart_generation: Annotated[
        int,
        Field(default=0, ge=0, le=2**53, description="Only grows; a higher number asks for a restart."),
    ]


class ConnectionPorts(Model):
    """The five ports of a Jupyter kernel."""

    shell: Port
    iopub: Port
    stdin: Port
    control: Port
    hb: Port


class ConnectionStatus(Model):
    """Where the kernel listens. The key is in the Secret, never here."""

    ip: Annotated[str | None, Field(default=None, description="The address for clients.")]
    ports: Annotated[ConnectionPorts | None, Field(default=None, description="The five ports of the kernel.")]
    transport: Annotated[str | None, Field(default=None, description="Always tcp.")]
    signature_scheme: Annotated[str | None, Field(default=None, description="Always hmac-sha256.")]
    secret_name: Annotated[str | None, Field(default=None, description="Secret with the key that signs messages.")]
    control_port: Annotated[
        int | None,
        Field(default=None, ge=1, le=65535, description="Port of the supervisor; absent when the image has no Python."),
    ]
    pod_ip: Annotated[str | None, Field(default=None, alias="podIP", description="The pod's own address.")]


class ExitStatus(Model):
    """How the kernel process ended. Absent fields are not known: absent is not 0."""

    exit_code: Annotated[int | None, Field(default=None, description="The kernel's exit code; 128+n for signal n.")]
    signal: Annotated[int | None, Field(default=None, description="The signal that ended the kernel.")]
    reason: Annotated[str | None, Field(default=None, description="One word from the documented set.")]
    message: Annotated[str | None, Field(default=None, description="A sentence for people.")]
    oom_killed: Annotated[bool | None, Field(default=None, description="Whether memory ran out.")]
    finished_time: Annotated[str | None, Field(default=None, description="When it ended, RFC 3339.")]
    restart_generation: Annotated[
        int | None, Field(default=None, description="The restartGeneration of the process that ended.")
    ]


class Times(Model):
    """When each step of the newest start was reached, RFC 3339."""

    scheduled: str | None = None
    started: str | None = None
    ready: str | None = None


class Condition(Model):
    """A Kubernetes condition."""

    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(default="", max_length=1024)]
    message: Annotated[str, Field(default="", max_length=32768)]
    observed_generation: Annotated[int | None, Field(default=None, ge=0)]
    last_transition_time: Annotated[str | None, Field(default=None, json_schema_extra={"format": "date-time"})]


class KernelInstanceStatus(Model):
    """What the operator saw."""

    observed_generation: Annotated[
        int | None, Field(default=None, ge=0, description="The metadata.generation that this status is about.")
    ]
    conditions: Annotated[
        list[Condition],
        Field(
            default=[],
            max_length=16,
            description="Ready, Reconciling, Stalled, PodScheduled, Finished.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
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
    exit: Annotated[ExitStatus | None, Field(default=None, description="How the kernel process ended.")]
    pod_name: Annotated[str | None, Field(default=None, description="Name of the pod.")]
    node_name: Annotated[str | None, Field(default=None, description="Name of the node.")]
    image: Annotated[str | None, Field(default=None, description="The image in use.")]
    restart_generation: Annotated[
        int | None, Field(default=None, description="The restartGeneration that the running kernel answers.")
    ]
    restart_count: Annotated[int | None, Field(default=None, ge=0, description="How often the kernel was restarted.")]
    last_activity_time: Annotated[
        str | None, Field(default=None, description="Last time that a client was connected or CPU was used.")
    ]
    times: Annotated[Times | None, Field(default=None, description="When each step of the start was reached.")]


#: What a fresh object says before any operator has seen it: never mistaken for ready, and no write is needed for it.
UNOBSERVED_STATUS: dict[str, Any] = {
    "phase": Phase.PENDING.value,
    "reason": Reason.WAITING_FOR_OPERATOR.value,
    "message": "No operator has seen this KernelInstance yet.",
    "conditions": [
        {
            "type": type_.value,
            "status": status,
            "reason": Reason.WAITING_FOR_OPERATOR.value,
            "message": "No operator has seen this KernelInstance yet.",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
        for type_, status in ((ConditionType.READY, "Unknown"), (ConditionType.RECONCILING, "True"))
    ],
}


class KernelInstance(Model):
    """A Jupyter kernel that runs in a pod."""

    model_config = ConfigDict(extra="allow")
    api_version: str
    kind: str
    metadata: dict[str, Any]
    spec: Annotated[KernelInstanceSpec, Field(default={"restartGeneration": 0}, description="What to run.")]
    status: Annotated[KernelInstanceStatus, Field(default=UNOBSERVED_STATUS, description="What the operator saw.")]
