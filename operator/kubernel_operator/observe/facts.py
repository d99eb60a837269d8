"""Small objects as decisions read them, made once from what the API server sent; and how such JSON is read at all.

Facts are values without a way back: a decision cannot read a field that no fact holds. Fields that the API server
leaves out, and values that no Kubernetes would send, become the field's default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from kubernel_api.constants import LABEL_MEMBER
from kubernel_api.names import service_host
from kubernel_operator.clock import unix

Json = dict[str, Any]
_OF_GARBAGE_COLLECTION = frozenset({"foregroundDeletion", "orphan"})


class Condition(NamedTuple):
    """A condition of a Kubernetes object.

    Attributes:
        since: lastTransitionTime as it was written; the clock of another machine, so for display only.
        generation: metadata.generation of the object that it is about, where that is said.
    """

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: str = ""
    generation: int | None = None

    @property
    def is_true(self) -> bool:
        """Whether it says that it is so."""
        return self.status == "True"


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A Service of ours.

    Attributes:
        address: its cluster IP; of a headless one, its DNS name; None: it has none yet.
        member: the pool's pod that it was made for; "" for none.
    """

    namespace: str
    name: str
    uid: str
    owner_uid: str
    address: str | None
    member: str = ""

    @property
    def is_headless(self) -> bool:
        """Whether its address is a DNS name."""
        return self.address == service_host(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class LeaseFacts:
    """A Lease of a server.

    Attributes:
        renewed: renewTime as the server's clock wrote it: only whether it changes means something here.
    """

    namespace: str
    name: str
    uid: str
    version: str
    renewed: str
    duration_seconds: float | None


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An Event about a pod.

    Attributes:
        time: when it was last seen, as the API writes times, which sorts as text.
        container: name of the container that it is about, if it is about one.
        source: the component that says it, e.g. kubelet or karpenter.
    """

    reason: str
    message: str
    time: str
    container: str = ""
    source: str = ""


def finalizers_of(meta: Json) -> tuple[str, ...]:
    """Somebody's, which keep an object that is deleted; not those of garbage collection. ``meta``: its metadata."""
    return tuple(str(each) for each in meta.get("finalizers") or [] if each not in _OF_GARBAGE_COLLECTION)


def service_facts(obj: Json) -> ServiceFacts:
    """From a Service."""
    meta = obj["metadata"]
    ip = part(obj, "spec").get("clusterIP")
    address = service_host(meta["namespace"], meta["name"]) if ip == "None" else ip
    member = str(part(meta, "labels").get(LABEL_MEMBER) or "")
    return ServiceFacts(meta["namespace"], meta["name"], meta["uid"], controller_uid(obj) or "", address, member)


def lease_facts(obj: Json) -> LeaseFacts:
    """From a Lease."""
    meta, spec = obj["metadata"], part(obj, "spec")
    duration = spec.get("leaseDurationSeconds")
    return LeaseFacts(
        meta["namespace"],
        meta["name"],
        meta.get("uid") or "",
        str(meta.get("resourceVersion") or ""),
        str(spec.get("renewTime") or ""),
        float(duration) if duration else None,
    )


def event_facts(obj: Json) -> EventFacts:
    """From an Event of core/v1."""
    series = part(obj, "series")
    time = series.get("lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    path = str(part(obj, "involvedObject").get("fieldPath") or "")  # e.g. spec.initContainers{proxy}
    return EventFacts(
        str(obj.get("reason") or ""),
        str(obj.get("message") or ""),
        str(time or obj.get("firstTimestamp") or ""),
        path.partition("{")[2].rstrip("}"),
        str(part(obj, "source").get("component") or obj.get("reportingComponent") or ""),
    )


def conditions_of(status: Json) -> tuple[Condition, ...]:
    """The conditions in a status."""
    return tuple(
        Condition(
            str(c.get("type") or ""),
            str(c.get("status") or ""),
            str(c.get("reason") or ""),
            str(c.get("message") or ""),
            str(c.get("lastTransitionTime") or ""),
            c.get("observedGeneration"),
        )
        for c in status.get("conditions") or []
    )


def part(obj: Json, name: str) -> Json:
    """A part of an object that may be absent or null."""
    found: Json = obj.get(name) or {}
    return found


def controller_uid(obj: Json) -> str | None:
    """The uid of the object that controls this one. Labels are only an index; this is the truth."""
    for owner in obj["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def number(text: Any) -> int:
    """A whole number that somebody may have written by hand; 0 when it is none."""
    try:
        return int(text or 0)
    except (TypeError, ValueError):
        return 0


def seconds_of(text: Any) -> float | None:
    """Unix seconds of a time in JSON; None when there is none or it cannot be read."""
    try:
        return unix(text)
    except (TypeError, ValueError):
        return None
