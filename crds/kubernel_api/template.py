"""The KernelTemplate resource as pydantic models: what administrators say about the pods of kernels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from .constants import API_VERSION, TEMPLATE_KIND
from .fields import AbsolutePath, Encryption, Image, Model, ObjectName, Quantity, unique_by
from .pod_parts import (
    ENV_RULES,
    VOLUMES_RULES,
    EnvVar,
    Fork,
    ImagePullSecret,
    Memory,
    Preload,
    Resources,
    StartupCPU,
    Toleration,
    Volume,
)
from .status import Condition

_PRESERVED = {"x-kubernetes-preserve-unknown-fields": True}

#: What a user may name: letters, digits and . _ : / @ -; ``*`` stands for any text, slashes included.
Pattern = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[a-zA-Z0-9._:/@*-]+$")]


def _patterns(what: str) -> Any:
    return Field(
        default=None,
        max_length=64,
        description=f"{what} that a KernelInstance may name; * stands for any text. An empty list: none. Absent: any.",
    )


def _seconds(what: str) -> Any:
    return Field(default=None, ge=1, le=31536000, description=what)


class Bounds(Model):
    """What a KernelInstance may ask for. The template's own defaults and pod are not bounded."""

    images: Annotated[list[Pattern] | None, _patterns("Images")]
    image_pull_secrets: Annotated[list[Pattern] | None, _patterns("Pull Secrets")]
    claims: Annotated[list[Pattern] | None, _patterns("PersistentVolumeClaims")]
    env: Annotated[
        list[Pattern] | None, _patterns("Environment variables (servers pass on KERNEL_* and JPY_SESSION_NAME)")
    ]
    node_selector_keys: Annotated[list[Pattern] | None, _patterns("Keys of node selectors")]
    toleration_keys: Annotated[list[Pattern] | None, _patterns("Keys of tolerations")]
    priority_classes: Annotated[list[Pattern] | None, _patterns("PriorityClasses")]
    runtime_classes: Annotated[list[Pattern] | None, _patterns("RuntimeClasses")]
    encryption: Annotated[
        list[Encryption] | None,
        Field(
            default=None,
            max_length=4,
            description="Values of connection.encryption that are allowed. Where it has no Auto, a KernelInstance that "
            "asks for that gets Curve, or else Disabled. Absent: any.",
        ),
    ]
    max_resources: Annotated[
        dict[str, Quantity] | None,
        Field(
            default=None,
            max_length=32,
            description="Highest request and limit, by resource name, also where memory grows; 0 forbids it. A kernel "
            "that has no limit for cpu, memory or ephemeral-storage gets this one.",
        ),
    ]
    max_active_deadline_seconds: Annotated[
        int | None, _seconds("Longest lifecycle.activeDeadlineSeconds; also of a KernelInstance that has none.")
    ]
    max_idle_timeout_seconds: Annotated[
        int | None, _seconds("Longest lifecycle.idleTimeoutSeconds; also of a KernelInstance that has none.")
    ]
    max_start_deadline_seconds: Annotated[
        int | None,
        _seconds("Longest lifecycle.startDeadlineSeconds. Below 300, its default, a KernelInstance must name one."),
    ]
    max_ttl_seconds_after_finished: Annotated[
        int | None,
        _seconds("Longest lifecycle.ttlSecondsAfterFinished. Below 300, its default, a KernelInstance must name one."),
    ]


class LifecycleDefaults(Model):
    """Defaults of spec.lifecycle; those that have one in the KernelInstance's own schema need none here."""

    idle_timeout_seconds: Annotated[
        int | None, _seconds("End the kernel after this many seconds without clients and CPU use.")
    ]


class KernelDefaults(Model):
    """Defaults of spec.kernel."""

    fork: Fork
    preload: Preload


class Defaults(Model):
    """What a KernelInstance gets that does not say otherwise; as in its own spec."""

    image: Annotated[Image | None, Field(default=None, description="Container image.")]
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None,
        Field(default=None, description="When the image is pulled."),
    ]
    image_pull_secrets: Annotated[
        list[ImagePullSecret] | None,
        Field(
            default=None,
            max_length=16,
            description="Pull Secrets, beside those of the KernelInstance.",
            json_schema_extra=unique_by("name"),
        ),
    ]
    kernel: Annotated[KernelDefaults | None, Field(default=None, description="How the kernel restarts.")]
    env: Annotated[
        list[EnvVar] | None,
        Field(
            default=None,
            max_length=256,
            description="Environment variables, each for KernelInstances that do not set it.",
            json_schema_extra=ENV_RULES,
        ),
    ]
    working_dir: Annotated[AbsolutePath | None, Field(default=None, description="Working directory of the kernel.")]
    resources: Annotated[
        Resources | None, Field(default=None, description="Compute resources, each for those that do not name it.")
    ]
    startup_cpu: StartupCPU
    memory: Annotated[Memory | None, Field(default=None, description="How far memory may grow by itself.")]
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]] | None,
        Field(default=None, max_length=32, description="Labels of the node, each for those that do not name its key."),
    ]
    tolerations: Annotated[
        list[Toleration] | None,
        Field(
            default=None, max_length=32, description="Taints that are tolerated, beside those of the KernelInstance."
        ),
    ]
    runtime_class_name: Annotated[ObjectName | None, Field(default=None, description="RuntimeClass of the pod.")]
    priority_class_name: Annotated[ObjectName | None, Field(default=None, description="PriorityClass of the pod.")]
    volumes: Annotated[
        list[Volume] | None,
        Field(
            default=None,
            max_length=32,
            description="Volumes, each for those that have none of its name.",
            json_schema_extra=VOLUMES_RULES,
        ),
    ]
    lifecycle: Annotated[LifecycleDefaults | None, Field(default=None, description="When a kernel ends.")]


class PodMetadata(Model):
    """Labels and annotations of the pod."""

    labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]] | None,
        Field(default=None, max_length=64, description="Labels of the pod; kubernel's own stand over them."),
    ]
    annotations: Annotated[
        dict[str, Annotated[str, Field(max_length=16384)]] | None,
        Field(default=None, max_length=64, description="Annotations of the pod; kubernel's own stand over them."),
    ]


class PodOverlay(Model):
    """What is laid over the pod of a kernel, as a PodTemplate."""

    metadata: Annotated[PodMetadata | None, Field(default=None, description="Labels and annotations.")]
    spec: Annotated[
        dict[str, Any] | None,
        Field(
            default=None,
            description="Anything of a pod's spec, merged by name as a strategic merge patch does: containers, "
            "volumes, env, volumeMounts, ... The kernel's container is called kernel.",
            json_schema_extra=_PRESERVED,
        ),
    ]


class KernelTemplateSpec(Model):
    """What pods are made from that are made from now on; those that live stay as they are."""

    description: Annotated[
        str | None, Field(default=None, max_length=1024, description="What it is for, for people who choose.")
    ]
    pod: Annotated[
        PodOverlay | None,
        Field(default=None, description="Laid over the pod that a KernelInstance asks for: this word always stands."),
    ]
    defaults: Annotated[Defaults | None, Field(default=None, description="For what a KernelInstance does not say.")]
    bounds: Annotated[Bounds | None, Field(default=None, description="What a KernelInstance may ask for.")]


class KernelTemplateStatus(Model):
    """What the operator found when it tried the template."""

    observed_generation: Annotated[
        int | None, Field(default=None, ge=0, description="The metadata.generation that this status is about.")
    ]
    conditions: Annotated[
        list[Condition],
        Field(
            default=[],
            max_length=8,
            description="Ready: whether the API server would take the pod of a KernelInstance that asks for nothing; "
            "Stalled: it would not.",
            json_schema_extra=unique_by("type"),
        ),
    ]


class KernelTemplate(Model):
    """An administrator's word on the pods of kernels. It counts in the operator's namespace only."""

    model_config = ConfigDict(extra="allow")
    api_version: Annotated[str, Field(description=f"{API_VERSION}.")]
    kind: Annotated[str, Field(description=f"{TEMPLATE_KIND}.")]
    metadata: dict[str, Any]  # the API server allows no description here: it has its own
    spec: Annotated[KernelTemplateSpec, Field(default={}, description="What the pods are made from.")]
    status: Annotated[
        KernelTemplateStatus | None, Field(default=None, description="What the operator found when it tried it.")
    ]
