"""The parts of ``spec`` that Kubernetes has too; they go into the pod as they are, and follow a pod's rules."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from .fields import AbsolutePath, Extra, Model, ObjectName, ProcessText, Quantity, rule, rules, unique_by
from .resizing import AMOUNTS_RULES, RESOURCES_RULES


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


def _reserved(*found: Extra) -> Any:
    return _amounts("What the scheduler reserves, e.g. cpu 500m, memory 1Gi.", *found)


def _most(*found: Extra) -> Any:
    return _amounts("What the kernel may use at most.", *found)


def _amounts(description: str, *found: Extra) -> Any:
    return Field(default=None, max_length=16, description=description, json_schema_extra=rules(_RESOURCE_NAMES, *found))


class Resources(Model):
    """Compute resources of the kernel's container. GPUs are resources: limits nvidia.com/gpu."""

    model_config = ConfigDict(json_schema_extra=rules(_REQUESTS_WITHIN_LIMITS, *RESOURCES_RULES))
    requests: Annotated[dict[str, Quantity] | None, _reserved(*AMOUNTS_RULES)]
    limits: Annotated[dict[str, Quantity] | None, _most(*AMOUNTS_RULES)]


class Memory(Model):
    """How memory grows by itself while the kernel lives: it stands still short of its limit until that was raised."""

    max: Annotated[
        Quantity,
        Field(
            description="The limit may grow up to this amount, e.g. 8Gi; a request that is equal to it grows with it. "
            "It never shrinks by itself. A bound of the administrator's may be lower."
        ),
    ]
    when_full: Annotated[
        Literal["Interrupt", "Continue"],
        Field(
            default="Interrupt",
            description="What becomes of a kernel that gets no more memory: after 30 seconds, in which it can be given "
            "more by hand, it is interrupted, or goes on as it is and may be killed.",
        ),
    ]


StartupCPU = Annotated[
    Quantity | None,
    Field(
        default=None,
        alias="startupCPU",
        description="A kernel whose CPU limit is lower starts with this limit, and is taken back to its own as soon as "
        "it is ready: a start needs CPU most. Not where the pod is Guaranteed. Default: the template's, the "
        "operator's, or none.",
    ),
]


class Toleration(Model):
    """Lets the pod be scheduled onto nodes with a matching taint; the rules are those of a pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.key) && self.key != ''",
                "a toleration needs a key: without one it matches every taint, also of nodes that are not for kernels",
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
            description="Taint key. One is needed: matching every taint is for administrators.",
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


class MemberResources(Model):
    """Compute resources of pods that are not made yet: they may change in any way."""

    model_config = ConfigDict(json_schema_extra=rules(_REQUESTS_WITHIN_LIMITS))
    requests: Annotated[dict[str, Quantity] | None, _reserved()]
    limits: Annotated[dict[str, Quantity] | None, _most()]


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


Fork = Annotated[
    Literal["Auto", "Never"] | None,
    Field(
        default=None,
        description="Auto: a restart of an ipykernel forks a process that has imported it already, which is three "
        "times as fast and keeps about 40 MB beside the kernel; whatever cannot be forked is started anew. "
        "Never: always anew. Default: the operator's.",
    ),
]
Preload = Annotated[
    list[Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")]] | None,
    Field(
        default=None,
        max_length=64,
        description="Modules that a forked kernel has imported already, such as matplotlib.pyplot. Their memory is "
        "kept beside the kernel. None that starts threads or uses a GPU when it is imported. Default: the operator's.",
    ),
]


ENV_RULES: Final = unique_by("name") | rules(
    rule(
        "self.map(e, bytes(e.name).size() + bytes(e.value).size()).sum() <= 65536",
        "names and values of env are more than 64 KiB in all; put large data into a volume",
    )
)
VOLUMES_RULES: Final = unique_by("name") | rules(
    rule("self.all(v, self.exists_one(w, w.mountPath == v.mountPath))", "two volumes have the same mountPath")
)
