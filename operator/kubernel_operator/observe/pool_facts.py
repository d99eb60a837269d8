"""A KernelPool as decisions read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .facts import Json, part


@dataclass(frozen=True)
class Shape:
    """What a pod is made from.

    Attributes:
        digest: a hash of everything that shapes it and cannot be told to one that runs; "" when none can be made.
        fields: by path, what its spec says of that, with all defaults filled in.
    """

    digest: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A KernelPool.

    Attributes:
        version: resourceVersion.
        generation: metadata.generation.
        template: name of its KernelTemplate; "" for none.
        replicas: how many members are to wait.
        max_starting: how many may start at the same time.
        recreates: whether members that are to be others are deleted at once.
        service: of its members.
        kernel_spec: the spec that a KernelInstance would have which asks for no more.
        status: as it is.
        raw: the whole object.
    """

    namespace: str
    name: str
    uid: str
    version: str
    generation: int
    deleting: bool
    template: str
    replicas: int
    max_starting: int
    recreates: bool
    service: str
    kernel_spec: Json
    status: Json
    raw: Json


def pool_facts(obj: Json) -> PoolFacts:
    """From a KernelPool."""
    meta, spec = obj["metadata"], part(obj, "spec")
    replicas = spec.get("replicas")
    kernel_spec = {name: spec[name] for name in ("templateName", "image", "resources") if spec.get(name)}
    return PoolFacts(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=str(meta.get("resourceVersion") or ""),
        generation=int(meta.get("generation") or 1),
        deleting=bool(meta.get("deletionTimestamp")),
        template=str(spec.get("templateName") or ""),
        replicas=1 if replicas is None else int(replicas),
        max_starting=int(spec.get("maxStarting") or 2),
        recreates=part(spec, "updateStrategy").get("type") == "Recreate",
        service=str(spec.get("service") or "ClusterIP"),
        kernel_spec={**kernel_spec, "kernel": {"fork": "Auto", **part(spec, "kernel")}},
        status=part(obj, "status"),
        raw=obj,
    )
