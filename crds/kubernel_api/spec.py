"""``spec`` of a KernelInstance as pydantic models; descriptions become ``kubectl explain``."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from .fields import (
    ATOMIC,
    AbsolutePath,
    Encryption,
    Image,
    Model,
    ObjectName,
    ProcessText,
    immutable,
    rule,
    rules,
    unique_by,
)
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
from .resizing import SPEC_RULES

#: What shapes the pod. Env, cpu and memory, lifecycle and restartGeneration may change.
IMMUTABLE_FIELDS: Final = (
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "kernel",
    "workingDir",
    "nodeSelector",
    "tolerations",
    "runtimeClassName",
    "priorityClassName",
    "volumes",
    "connection",
    "templateName",
    "startupCPU",
)


class Kernel(Model):
    """Which kernel runs in the container."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)
    argv: Annotated[
        list[Annotated[ProcessText, Field(max_length=4096)]] | None,
        Field(
            default=None,
            min_length=1,
            max_length=64,
            description="The kernel's command. {connection_file} becomes the path of the connection file in the pod. "
            "32 KiB at most in all. Default, without a name too: python3 -m ipykernel_launcher -f {connection_file}.",
            json_schema_extra=rules(
                rule("self.size() == 0 || self[0] != ''", "argv must begin with a program"),
                rule(
                    "self.map(word, bytes(word).size()).sum() <= 32768",
                    "argv is more than 32 KiB in all; put a long program into the image or a volume",
                ),
            ),
        ),
    ]
    name: Annotated[
        str | None,
        Field(
            default=None,
            min_length=1,
            max_length=253,
            pattern=r"^[a-zA-Z0-9._-]+$",
            description="Name of a kernelspec: letters, digits, dots, _ and -. Without argv, the kernelspec of that "
            "name inside the image is started; with argv it is only shown.",
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
    fork: Fork
    preload: Preload


class Connection(Model):
    """How clients reach the kernel."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)
    service: Annotated[
        Literal["ClusterIP", "None", "Headless"],
        Field(
            default="ClusterIP",
            description="ClusterIP keeps one address when the pod is replaced. None hands out the pod's own address: "
            "faster to start, but it changes with the pod. Headless hands out a DNS name that follows the pod: for "
            "many kernels in one namespace, and clients that use the cluster's DNS.",
        ),
    ]
    encryption: Annotated[
        Encryption,
        Field(
            default="Disabled",
            description="Curve encrypts all channels with CurveZMQ (ipykernel 7.3 or newer); a kernel that cannot is "
            "never Ready. Auto does so for kernels that can: status.connection.encryption says which came of it.",
        ),
    ]
    key_from: Annotated[
        Literal["Operator", "Client"],
        Field(
            default="Operator",
            description="Who makes the connection key. Operator: whoever may read the Secret that status.connection "
            "names is a client. Client: whoever creates the KernelInstance creates that Secret, too, and needs no "
            "right to read any. Its name is NAME-UID, with the first ten hexadecimal digits of metadata.uid; the "
            "KernelInstance owns it.",
        ),
    ]
    sealed_keys: Annotated[
        str | None,
        Field(
            default=None,
            max_length=1024,
            description="With keyFrom Client: the keys of that Secret once more, sealed to status.publicKey of a "
            "KernelPool or KernelInstance of the namespace, so that a pool's pod can be told them, and no other waits "
            "for the Secret. Only the operator opens them, and only for the name and namespace that they were sealed "
            "for.",
        ),
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
            description="End the kernel after this many seconds without clients and CPU use. It is counted in the pod, "
            "where its user can stop that; activeDeadlineSeconds is the operator's and holds.",
        ),
    ]
    active_deadline_seconds: Annotated[
        int | None,
        Field(
            default=None,
            ge=1,
            le=31536000,
            description="End the kernel this many seconds after its start. Off by default.",
        ),
    ]
    ttl_seconds_after_finished: Annotated[
        int,
        Field(
            default=300, ge=0, le=31536000, description="A finished KernelInstance is deleted after this many seconds."
        ),
    ]
    lease_name: Annotated[
        ObjectName | None,
        Field(
            default=None,
            description="A Lease in the same namespace, with the label app.kubernetes.io/managed-by=kubernel, that the "
            "creating server renews. When it expires, the kernel is an orphan and is deleted.",
        ),
    ]


class KernelInstanceSpec(Model):
    """What to run. What shapes the pod is immutable; env, cpu, memory, lifecycle and restartGeneration may change."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(immutable(field) for field in IMMUTABLE_FIELDS),
            *SPEC_RULES,
            rule(
                "has(self.memory) == has(oldSelf.memory)"
                " && (!has(self.memory) || self.memory.whenFull == oldSelf.memory.whenFull)",
                "of memory only a max that was set at first may change: delete the KernelInstance and create another",
                field="memory",
                reason="FieldValueForbidden",
            ),
            rule(
                "self.restartGeneration >= oldSelf.restartGeneration",
                "restartGeneration only grows: a higher number asks for a restart",
                field="restartGeneration",
            ),
        )
    )
    template_name: Annotated[
        ObjectName | None,
        Field(
            default=None,
            description="KernelTemplate, in the operator's namespace, that the pod is made from. The template's word "
            "stands over this spec.",
        ),
    ]
    image: Annotated[
        Image | None,
        Field(
            default=None,
            description="Container image with a Jupyter kernel in it; nothing else is needed in it. "
            "Default: the operator's default image.",
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
    owner: Annotated[
        str | None,
        Field(
            default=None,
            min_length=1,
            max_length=253,
            description="Whose kernel it is, e.g. JupyterHub's user and server: alice/default. A Jupyter server takes "
            "up the kernels of its owner when it starts. Whoever may create kernels may claim any owner, unless the "
            "chart's policies.accounts.owners is set.",
        ),
    ]
    kernel: Annotated[Kernel | None, Field(default=None, description="Which kernel runs in the container.")]
    env: Annotated[
        list[EnvVar] | None,
        Field(
            default=None,
            max_length=256,
            description="Environment of the kernel; a change takes effect with the next restart. Readable by everyone "
            "who may read this object: no place for secrets. 64 KiB at most in all.",
            json_schema_extra=ENV_RULES,
        ),
    ]
    working_dir: Annotated[
        AbsolutePath | None, Field(default=None, description="Working directory of the kernel. Default: the image's.")
    ]
    resources: Annotated[
        Resources | None,
        Field(
            default=None,
            description="Compute resources. Those that are not named are the operator's defaults. cpu and memory may "
            "change while the kernel lives: its pod is resized, and the condition Resizing says how that goes.",
        ),
    ]
    startup_cpu: StartupCPU
    memory: Annotated[
        Memory | None,
        Field(
            default=None,
            description="How far memory may grow by itself. Absent: the template's or the operator's default, or not "
            "at all.",
        ),
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
    priority_class_name: Annotated[
        ObjectName | None,
        Field(
            default=None,
            description="PriorityClass of the pod; not one of Kubernetes' own.",
            json_schema_extra=rules(
                rule(
                    "!self.startsWith('system-')",
                    "system-* is for the cluster's own components: such a pod pushes any other from its node",
                )
            ),
        ),
    ]
    volumes: Annotated[
        list[Volume] | None,
        Field(
            default=None,
            max_length=32,
            description="Volumes and where they are mounted. Any volume makes a start about 0.3 s slower.",
            json_schema_extra=VOLUMES_RULES,
        ),
    ]
    suspend: Annotated[
        bool,
        Field(
            default=False,
            description="Pause the kernel: its processes stand still and keep their memory; false lets them go on.",
        ),
    ]
    connection: Annotated[Connection, Field(default={}, description="How clients reach the kernel.")]
    lifecycle: Annotated[Lifecycle, Field(default={}, description="When a kernel ends.")]
    restart_generation: Annotated[
        int,
        # Integers beyond 2**53 do not survive JSON in every client.
        Field(default=0, ge=0, le=2**53, description="Only grows; a higher number asks for a restart."),
    ]
