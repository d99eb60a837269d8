"""``spec`` of a KernelInstance as pydantic models; descriptions become ``kubectl explain``."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from .fields import (
    AbsolutePath,
    Model,
    ObjectName,
    ProcessText,
    Quantity,
    immutable,
    rule,
    rules,
    unique_by,
)

#: What shapes the pod. Lifecycle and restartGeneration may change.
IMMUTABLE_FIELDS: Final = (
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
)


class ImagePullSecret(Model):
    """A Secret of type kubernetes.io/dockerconfigjson in the same namespace."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]


class EnvVar(Model):
    """One environment variable with a literal value. There is no valueFrom: it would read any Secret."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$",
            description="Name of the variable. KUBERNEL_* and JPY_PARENT_PID are reserved.",
            json_schema_extra=rules(
                rule(
                    "!self.startsWith('KUBERNEL_') && self != 'JPY_PARENT_PID'",
                    "KUBERNEL_* and JPY_PARENT_PID are reserved: the pod's supervisor sets or removes them",
                )
            ),
        ),
    ]
    value: Annotated[
        ProcessText, Field(default="", max_length=32768, description="Its literal value; $(VAR) is not expanded.")
    ]


class Kernel(Model):
    """Which kernel runs in the container."""

    argv: Annotated[
        list[Annotated[ProcessText, Field(max_length=4096)]] | None,
        Field(
            default=None,
            min_length=1,
            max_length=64,
            description="The kernel's command. {connection_file} becomes the path of the connection file in the pod. "
            "Default, without a name too: python3 -m ipykernel_launcher -f {connection_file}.",
            json_schema_extra=rules(rule("self.size() == 0 || self[0] != ''", "argv must begin with a program")),
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
            "signal sends SIGINT through the supervisor, which R needs.",
        ),
    ]


_RESOURCE_NAMES: Final = rule(
    "self.all(name, name in ['cpu', 'memory', 'ephemeral-storage'] || name.contains('/')"
    " || name.startsWith('hugepages-'))",
    "a resource is cpu, memory, ephemeral-storage, hugepages-<size> or one with a domain, such as nvidia.com/gpu",
)
# Amounts that are none are the business of their own rule; here they would only add a second, obscure message.
_REQUESTS_WITHIN_LIMITS: Final = rule(
    "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits)"
    " || !isQuantity(string(self.requests[name])) || !isQuantity(string(self.limits[name]))"
    " || quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
    "a request must not be higher than the limit of the same resource",
    field="requests",
)


class Resources(Model):
    """Compute resources of the kernel's container. GPUs are resources: limits nvidia.com/gpu."""

    model_config = ConfigDict(json_schema_extra=rules(_REQUESTS_WITHIN_LIMITS))
    requests: Annotated[
        dict[str, Quantity] | None,
        Field(
            default=None,
            max_length=16,
            description="What the scheduler reserves, e.g. cpu 500m, memory 1Gi.",
            json_schema_extra=rules(_RESOURCE_NAMES),
        ),
    ]
    limits: Annotated[
        dict[str, Quantity] | None,
        Field(
            default=None,
            max_length=16,
            description="What the kernel may use at most.",
            json_schema_extra=rules(_RESOURCE_NAMES),
        ),
    ]


class Toleration(Model):
    """Lets the pod be scheduled onto nodes with a matching taint; the rules are those of a pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.operator == 'Exists' || (has(self.key) && self.key != '')",
                "a toleration without key needs operator Exists, which matches every taint",
                field="operator",
            ),
            rule(
                "self.operator != 'Exists' || !has(self.value) || self.value == ''",
                "a toleration with operator Exists has no value",
                field="value",
            ),
            rule(
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds needs effect NoExecute",
                field="effect",
            ),
        )
    )
    key: Annotated[
        str | None,
        Field(
            default=None,
            max_length=317,  # 253 of a domain, a slash, 63 of a name
            pattern=r"^(([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?$",
            description="Taint key; empty with Exists matches all.",
        ),
    ]
    operator: Annotated[
        Literal["Exists", "Equal"], Field(default="Equal", description="How key and value are compared.")
    ]
    value: Annotated[
        str | None,
        Field(
            default=None,
            max_length=63,
            pattern=r"^([a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?$",
            description="Taint value, with operator Equal.",
        ),
    ]
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None,
        Field(default=None, description="Taint effect; empty matches all."),
    ]
    toleration_seconds: Annotated[
        int | None, Field(default=None, ge=0, description="How long a NoExecute taint is tolerated, in seconds.")
    ]


class PersistentVolumeClaimVolume(Model):
    """A PersistentVolumeClaim in the same namespace."""

    claim_name: Annotated[ObjectName, Field(description="Name of the claim.")]


class EmptyDirVolume(Model):
    """An empty folder that lives as long as the pod."""

    medium: Annotated[
        Literal["", "Memory"], Field(default="", description="Memory makes it a tmpfs, e.g. for /dev/shm.")
    ]
    size_limit: Annotated[Quantity | None, Field(default=None, description="Upper limit of its size.")]


class Volume(Model):
    """A volume and where it is mounted. There are no hostPath, Secret or projected volumes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.persistentVolumeClaim) != has(self.emptyDir)",
                "a volume has exactly one of persistentVolumeClaim and emptyDir",
            ),
            rule(
                "self.mountPath != '/' && !self.mountPath.contains(':')",
                "mountPath must not be / nor contain a colon",
                field="mountPath",
            ),
        )
    )
    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            description="Name of the volume, unique.",
        ),
    ]
    mount_path: Annotated[AbsolutePath, Field(description="Absolute path in the container, unique.")]
    sub_path: Annotated[
        str | None,
        Field(
            default=None,
            max_length=1024,
            description="Path inside the volume, instead of its root.",
            json_schema_extra=rules(
                rule(r"!self.matches('^/|(^|/)\\.\\.(/|$)')", "must be a relative path without ..")
            ),
        ),
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
    """When a kernel ends. All durations are in seconds; all may change while it runs."""

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
        ObjectName | None,
        Field(
            default=None,
            description="A Lease in the same namespace that the creating server renews. When it expires, the kernel "
            "is an orphan and is deleted.",
        ),
    ]


class KernelInstanceSpec(Model):
    """What to run. Everything that shapes the pod is immutable; lifecycle and restartGeneration may change."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(immutable(field) for field in IMMUTABLE_FIELDS),
            rule(
                "self.restartGeneration >= oldSelf.restartGeneration",
                "restartGeneration only grows: a higher number asks for a restart",
                field="restartGeneration",
            ),
        )
    )
    image: Annotated[
        str | None,
        Field(
            default=None,
            max_length=1024,
            description="Container image with a Jupyter kernel in it; nothing else is needed in it. "
            "Default: the operator's default image.",
            json_schema_extra=rules(
                rule(
                    r"self.matches('^[a-zA-Z0-9\\[][a-zA-Z0-9._:/@+\\[\\]-]*$')",
                    "is no image name such as quay.io/jupyter/scipy-notebook:2026-07-28",
                )
            ),
        ),
    ]
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None,
        Field(default=None, description="When the image is pulled. Default: the operator's, IfNotPresent."),
    ]
    image_pull_secrets: Annotated[
        list[ImagePullSecret] | None,
        Field(
            default=None,
            max_length=16,
            description="Secrets in this namespace with the credentials of image registries.",
            json_schema_extra=unique_by("name"),
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
            json_schema_extra=unique_by("name")
            | rules(
                rule(
                    "self.map(e, bytes(e.name).size() + bytes(e.value).size()).sum() <= 65536",
                    "names and values of env are more than 64 KiB in all; put large data into a volume",
                )
            ),
        ),
    ]
    working_dir: Annotated[
        AbsolutePath | None, Field(default=None, description="Working directory of the kernel. Default: the image's.")
    ]
    resources: Annotated[
        Resources | None, Field(default=None, description="Compute resources. Default: the operator's.")
    ]
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63, pattern=r"^([a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?$")]]
        | None,
        Field(
            default=None,
            max_length=32,
            description="Labels that the node must have.",
            json_schema_extra=rules(
                rule(
                    "self.all(key, key.size() <= 317 && key.matches("
                    "'^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$'))",
                    "a key must be a label name such as kubernetes.io/arch",
                )
            ),
        ),
    ]
    tolerations: Annotated[
        list[Toleration] | None, Field(default=None, max_length=32, description="Taints that the pod tolerates.")
    ]
    runtime_class_name: Annotated[
        ObjectName | None, Field(default=None, description="RuntimeClass of the pod, e.g. gvisor.")
    ]
    priority_class_name: Annotated[ObjectName | None, Field(default=None, description="PriorityClass of the pod.")]
    volumes: Annotated[
        list[Volume] | None,
        Field(
            default=None,
            max_length=32,
            description="Volumes and where they are mounted. Any volume makes a start about 0.3 s slower.",
            json_schema_extra=unique_by("name")
            | rules(
                rule(
                    "self.all(v, self.exists_one(w, w.mountPath == v.mountPath))",
                    "two volumes have the same mountPath",
                )
            ),
        ),
    ]
    connection: Annotated[Connection, Field(default={}, description="How clients reach the kernel.")]
    lifecycle: Annotated[Lifecycle, Field(default={}, description="When a kernel ends.")]
    restart_generation: Annotated[
        int,
        # Integers beyond 2**53 do not survive JSON in every client.
        Field(default=0, ge=0, le=2**53, description="Only grows; a higher number asks for a restart."),
    ]
