"""The KernelPool resource as pydantic models: pods that wait for KernelInstances."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from .constants import API_VERSION, POOL_KIND, POOL_NAME_MAX_LENGTH
from .fields import Image, Model, ObjectName, host_name, rules, unique_by
from .pod_parts import MemberResources
from .spec import Kernel
from .status import Condition


class UpdateStrategy(Model):
    """What becomes of members that were made from an older spec, template or operator."""

    type: Annotated[
        Literal["RollingUpdate", "Recreate"],
        Field(
            default="RollingUpdate",
            description="RollingUpdate: each is deleted when a new one has become ready. Recreate: all at once, first.",
        ),
    ]


class KernelPoolSpec(Model):
    """What the members are made from. A KernelInstance of this namespace that asks for the same pod is given one."""

    template_name: Annotated[
        ObjectName | None,
        Field(default=None, description="KernelTemplate of the members, as in the spec of the KernelInstances."),
    ]
    image: Annotated[
        Image | None, Field(default=None, description="Container image. Default: the template's, or the operator's.")
    ]
    kernel: Annotated[
        Kernel | None,
        Field(
            default=None,
            description="Which kernel runs in the container. name and argv must be those of the KernelInstances. fork: "
            "Auto by default, and with that a member has imported everything that an ipykernel needs, and preload.",
        ),
    ]
    resources: Annotated[
        MemberResources | None,
        Field(default=None, description="Compute resources. Those that are not named are defaults."),
    ]
    service: Annotated[
        Literal["ClusterIP", "None", "Headless"],
        Field(
            default="ClusterIP",
            description="The Service that each member has already, as connection.service of the KernelInstances: any "
            "of them gets a member, and one that needs another Service waits for that.",
        ),
    ]
    replicas: Annotated[int, Field(default=1, ge=0, le=1000, description="Members that wait, ready or about to be.")]
    max_starting: Annotated[
        int,
        Field(default=2, ge=1, le=100, description="Members that start at the same time at most, beside replicas."),
    ]
    update_strategy: Annotated[
        UpdateStrategy, Field(default={}, description="How members are replaced when they are to be others.")
    ]


class KernelPoolStatus(Model):
    """What the operator saw, written at most once a second."""

    observed_generation: Annotated[
        int | None, Field(default=None, ge=0, description="The metadata.generation that this status is about.")
    ]
    replicas: Annotated[int, Field(default=0, ge=0, description="Members that are there.")]
    ready_replicas: Annotated[int, Field(default=0, ge=0, description="Members that wait for a KernelInstance.")]
    updated_replicas: Annotated[
        int, Field(default=0, ge=0, description="Members that were made from what the spec and the template are now.")
    ]
    selector: Annotated[
        str | None, Field(default=None, max_length=512, description="Label selector of the members, for autoscalers.")
    ]
    public_key: Annotated[
        str | None,
        Field(
            default=None,
            max_length=64,
            description="What clients that make their kernels' keys seal them to: see connection.sealedKeys.",
        ),
    ]
    conditions: Annotated[
        list[Condition],
        Field(
            default=[],
            max_length=8,
            description="Ready: whether as many members wait as the spec wants; else why not. Stalled: that needs a "
            "person.",
            json_schema_extra=unique_by("type"),
        ),
    ]


class KernelPool(Model):
    """Pods that wait, with everything imported, for KernelInstances of their namespace to become their kernels."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra=rules(host_name(POOL_NAME_MAX_LENGTH, "begins host names"))
    )
    api_version: Annotated[str, Field(description=f"{API_VERSION}.")]
    kind: Annotated[str, Field(description=f"{POOL_KIND}.")]
    metadata: dict[str, Any]  # the API server allows no description here: it has its own
    # The API server evaluates the rules on a default as it stands here, before it fills in the defaults inside it.
    spec: Annotated[KernelPoolSpec, Field(default={}, description="What the members are made from.")]
    status: Annotated[KernelPoolStatus | None, Field(default=None, description="What the operator saw.")]
