"""The kinds of objects that are watched, and what is kept of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from kubernel_api.constants import (
    ANNOTATION_GENERATION,
    ANNOTATION_IDLE_TIMEOUT,
    ANNOTATION_INCARNATION,
    ANNOTATION_POOL,
    ANNOTATION_RESTART_GENERATION,
    ANNOTATION_SHAPE,
    ANNOTATION_STARTUP_CPU,
    ANNOTATION_SUPERVISOR,
    KERNEL_CONTAINER,
    KIND,
    LABEL_KERNEL_ID,
    LABEL_KUEUE_QUEUE,
    LABEL_MEMBER,
    LABEL_SERVER,
    POOL_KIND,
)
from kubernel_api.names import pod_name, service_name

from .cut import AS_IS, Fields, Read, cut, event_reader, page_reader
from .facts import Json, part
from .pod_facts import KUEUE_STOPS

T = TypeVar("T")

NAME, UID, TIME, WORD, SENTENCE = 253, 64, 64, 316, 1024
# Of what the kubelet copies from the end of a container's log.
OUTPUT = -2048
# Beyond this, integers do not survive JSON in every client, and a status that has one is refused.
NUMBER_MAX = 2**53

# Annotations of pods.
_NUMBERS = (
    ANNOTATION_INCARNATION,
    ANNOTATION_RESTART_GENERATION,
    ANNOTATION_GENERATION,
    ANNOTATION_IDLE_TIMEOUT,
)
_TEXTS = (ANNOTATION_SUPERVISOR, ANNOTATION_POOL, ANNOTATION_SHAPE, ANNOTATION_STARTUP_CPU)
_METADATA: Fields = {
    "name": NAME,
    "namespace": NAME,
    "uid": UID,
    "resourceVersion": UID,
    "creationTimestamp": TIME,
    "deletionTimestamp": TIME,
    "deletionGracePeriodSeconds": 1,
    "finalizers": [63],
}
_OWNED: Fields = {**_METADATA, "ownerReferences": [{"kind": 63, "name": NAME, "uid": UID, "controller": 1}]}
_CONDITION: Fields = {
    "type": WORD,
    "status": 7,
    "reason": WORD,
    "message": SENTENCE,
    "lastTransitionTime": TIME,
    "observedGeneration": 1,
}
_AMOUNTS: Fields = {"cpu": 32, "memory": 32}
_RESOURCES: Fields = {"requests": _AMOUNTS, "limits": _AMOUNTS}
_TERMINATED: Fields = {
    "exitCode": 1,
    "signal": 1,
    "reason": WORD,
    "message": OUTPUT,
    "startedAt": TIME,
    "finishedAt": TIME,
}
_CONTAINER: Fields = {
    "name": 63,
    "image": SENTENCE,
    "started": 1,
    "state": {
        "waiting": {"reason": WORD, "message": SENTENCE},
        "running": {"startedAt": TIME},
        "terminated": _TERMINATED,
    },
    "lastState": {"terminated": _TERMINATED},
    "resources": _RESOURCES,
}
_INSTANCE: Fields = {
    "metadata": {**_METADATA, "generation": 1, "labels": {LABEL_KERNEL_ID: 63, LABEL_SERVER: 63}},
    "spec": AS_IS,
    "status": AS_IS,
}
_POD: Fields = {
    "metadata": {
        **_OWNED,
        "generation": 1,
        "labels": {LABEL_KUEUE_QUEUE: 63},
        "annotations": {**dict.fromkeys(_NUMBERS, 32), **dict.fromkeys(_TEXTS, NAME)},
    },
    "spec": {
        "nodeName": NAME,
        "schedulerName": 63,
        "volumes": [{"persistentVolumeClaim": {"claimName": NAME}}],
        "schedulingGates": [{"name": WORD}],
        "initContainers": [{"name": 63, "restartPolicy": 63, "restartPolicyRules": [{"action": 63}]}],
        "containers": [{"name": 63, "resources": _RESOURCES}],
    },
    "status": {
        "phase": 63,
        "reason": WORD,
        "message": SENTENCE,
        "nominatedNodeName": NAME,
        "podIP": 64,
        "podIPs": [{"ip": 64}],
        "conditions": [_CONDITION],
        "initContainerStatuses": [_CONTAINER],
        "containerStatuses": [_CONTAINER],
    },
}
_SERVICE: Fields = {"metadata": {**_OWNED, "labels": {LABEL_MEMBER: 63}}, "spec": {"clusterIP": 64}}
_POOL: Fields = {"metadata": {**_METADATA, "generation": 1}, "spec": AS_IS, "status": AS_IS}
_LEASE: Fields = {
    "metadata": _METADATA,
    "spec": {"holderIdentity": NAME, "leaseDurationSeconds": 1, "renewTime": TIME},
}

# Those that decisions read.
_CONDITIONS = frozenset(
    {
        "PodScheduled",
        "Ready",
        "ContainersReady",
        "DisruptionTarget",
        KUEUE_STOPS,
        "PodResizePending",
        "PodResizeInProgress",
    }
)
# What only the pod's builder reads. A KernelInstance that is large without them stays as it is: the CRD bounds it.
_SHAPES_THE_POD = ("env", "imagePullSecrets", "nodeSelector", "tolerations", "volumes")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """How objects of one kind are kept.

    Attributes:
        name: for people.
        fields: what is kept of an object.
        link: the name of the object, in the same namespace, that it belongs to or goes by; None for none.
        decode: what is made of it each time that it is read.
        tidy: what is kept of what ``fields`` leave, which it may change.
        shrink: what is kept of one that is large in spite of ``cut``.
        complaint: what is wrong with an object, for the log; "" for nothing.
        is_unanswered: whether an operator has yet to say anything of an object.
    """

    name: str
    fields: Fields
    link: Callable[[Json], str | None]
    decode: Callable[[Json], T]
    tidy: Callable[[Json], Json] = lambda kept: kept
    shrink: Callable[[Json], Json] = lambda kept: kept
    complaint: Callable[[Json], str] = lambda _: ""
    is_unanswered: Callable[[Json], bool] = lambda _: False

    def cut(self, obj: Json) -> Json:
        """What is kept of an object."""
        return self.tidy(cut(obj, self.fields))

    @cached_property
    def read_page(self) -> Read:
        """Reads a page of a LIST: see ``page_reader``."""
        return page_reader(self.fields)

    @cached_property
    def read_event(self) -> Read:
        """Reads an event of a watch: see ``event_reader``."""
        return event_reader(self.fields)


def is_partial(instance: Json) -> bool:
    """Whether a KernelInstance was too large to be kept whole: what shapes its pod must be read again."""
    return bool(instance.get("partial"))


def _owner_of_pod(pod: Json) -> str | None:
    """The KernelInstance of a pod, or its KernelPool as ``pool_link`` names it.

    Whoever may create pods can give one any owner, but not the operator's name. What comes from a pool keeps its own.
    """
    if (pool := _owner(pod, POOL_KIND)) is not None:
        return pool_link(pool)
    owner = _owner(pod)
    if owner and (pod["metadata"].get("annotations") or {}).get(ANNOTATION_POOL):
        return owner
    number = pod["metadata"]["name"].removeprefix(f"{owner}-")
    return owner if owner and number.isdecimal() and pod["metadata"]["name"] == pod_name(owner, int(number)) else None


def _owner_of_service(service: Json) -> str | None:
    owner = _owner(service)
    names = service_name(owner or ""), service_name((service["metadata"].get("labels") or {}).get(LABEL_MEMBER) or "")
    return owner if owner and service["metadata"]["name"] in names else None


def pool_link(name: str) -> str:
    """What the pods that wait in a KernelPool are found by; no KernelInstance has such a name."""
    return f"pool/{name}"


def pool_that_made(pod: Json) -> str | None:
    """The KernelPool that a pod was made for, whoever has it now."""
    found: str | None = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_POOL)
    return found


def pool_of(link: str) -> str | None:
    """The KernelPool that a link names; None when it names a KernelInstance."""
    return link.removeprefix("pool/") if link.startswith("pool/") else None


def _owner(obj: Json, kind: str = KIND) -> str | None:
    owners = obj["metadata"].get("ownerReferences") or []
    return next((str(o["name"]) for o in owners if o.get("controller") and o.get("kind") == kind), None)


def _lease_name(instance: Json) -> str | None:
    name: str | None = part(instance["spec"], "lifecycle").get("leaseName")
    return name


def _without_what_shapes_the_pod(instance: Json) -> Json:
    spec = {name: value for name, value in instance["spec"].items() if name not in _SHAPES_THE_POD}
    if "kernel" in spec:
        spec["kernel"] = {name: value for name, value in spec["kernel"].items() if name != "argv"}
    return {**instance, "spec": spec, "partial": True}


def _has_done_its_work(init: Json) -> bool:
    terminated = part(init, "state").get("terminated")
    return bool(init.get("started")) or (terminated is not None and terminated.get("exitCode") == 0)


def _with_what_decides(pod: Json) -> Json:
    status = part(pod, "status")
    kept = dict(status)
    containers, inits = status.get("containerStatuses") or [], status.get("initContainerStatuses") or []
    kept["containerStatuses"] = [c for c in containers if c.get("name") == KERNEL_CONTAINER]
    kept["initContainerStatuses"] = [c for c in inits if not _has_done_its_work(c)][:1]  # all others wait for it
    return {**pod, "status": kept}


def _tidy_pod(kept: Json) -> Json:
    annotations = kept["metadata"].get("annotations") or {}
    kept["metadata"]["annotations"] = {
        name: text for name, text in annotations.items() if name in _TEXTS or _is_number(text)
    }
    spec, status = part(kept, "spec"), part(kept, "status")
    if conditions := status.get("conditions"):
        status["conditions"] = [c for c in conditions if c.get("type") in _CONDITIONS]
    if containers := spec.get("containers"):
        spec["containers"] = [c for c in containers if c.get("name") == KERNEL_CONTAINER]
    spec["volumes"] = [volume for volume in spec.get("volumes") or [] if volume]
    if spec.get("nodeName") or not spec["volumes"]:  # it does not wait for them, as far as the scheduler goes
        del spec["volumes"]
    return kept


def _odd_numbers(pod: Json) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    for name in _NUMBERS:
        if not _is_number(annotations.get(name, "0")):
            return f"its annotation {name} is no number and counts as 0: {str(annotations[name])[:32]!r}"
    return ""


def _is_number(text: Any) -> bool:
    return isinstance(text, str) and bool(re.fullmatch(r"[0-9]{1,16}", text)) and int(text) <= NUMBER_MAX


def _as_json(obj: Json) -> Json:
    return obj


INSTANCES = Kind(
    "KernelInstances",
    _INSTANCE,
    _lease_name,
    _as_json,
    shrink=_without_what_shapes_the_pod,
    is_unanswered=lambda instance: "observedGeneration" not in part(instance, "status"),
)
PODS = Kind("Pods", _POD, _owner_of_pod, _as_json, tidy=_tidy_pod, shrink=_with_what_decides, complaint=_odd_numbers)
SERVICES = Kind("Services", _SERVICE, _owner_of_service, _as_json)
POOLS = Kind("KernelPools", _POOL, lambda _: None, _as_json)
LEASES = Kind("Leases", _LEASE, lambda _: None, _as_json)
