"""Requests that reached the API server, from its audit log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Request:
    """One request.

    Args:
        who: ``operator`` or ``client``.
        verb: ``create``, ``patch`` ...
        resource: with its subresource.
        name: of the object.
        arrived: Unix seconds.
    """

    who: str
    verb: str
    resource: str
    name: str
    arrived: float


def requests_between(log: Path, namespace: str, begin: float, end: float) -> Iterator[Request]:
    """Requests in a namespace that arrived in that time, Kubernetes' own components left out."""
    with log.open() as lines:
        for line in lines:
            if namespace not in line:
                continue
            entry = json.loads(line)
            ref, who = entry.get("objectRef") or {}, _who(entry)
            arrived = datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()
            if who is None or ref.get("namespace") != namespace or not begin <= arrived < end:
                continue
            resource = ref["resource"] + (f"/{ref['subresource']}" if ref.get("subresource") else "")
            yield Request(who, entry["verb"], resource, str(ref.get("name") or ""), arrived)


def requests_about(log: Path, namespace: str, name: str) -> Counter[tuple[str, str, str]]:
    """Counts (user, verb, resource) of requests about one kernel, Kubernetes' own components left out."""
    counts: Counter[tuple[str, str, str]] = Counter()
    with log.open() as lines:
        for line in lines:
            if namespace not in line or name not in line:
                continue
            entry = json.loads(line)
            ref = entry.get("objectRef") or {}
            if ref.get("namespace") != namespace or name not in str(ref.get("name") or ""):
                continue
            if (user := _who(entry)) is not None:
                resource = ref["resource"] + (f"/{ref['subresource']}" if ref.get("subresource") else "")
                counts[user, entry["verb"], resource] += 1
    return counts


def requests_in(log: Path, namespace: str, windows: Sequence[tuple[float, float]]) -> Counter[tuple[str, str]]:
    """Counts (verb, resource) of requests in a namespace that arrived in one of these windows, in Unix seconds."""
    counts: Counter[tuple[str, str]] = Counter()
    with log.open() as lines:
        for line in lines:
            if namespace not in line:
                continue
            entry = json.loads(line)
            arrived = datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()
            if _who(entry) == "client" and any(begin <= arrived < end for begin, end in windows):
                counts[entry["verb"], entry["objectRef"]["resource"]] += 1
    return counts


def until_resized(log: Path, namespace: str) -> list[tuple[float, float]]:
    """Seconds from each change of a KernelInstance's spec until its pod's resize was asked for, and answered.

    Refusals are left out: a conflict is asked again.
    """
    found, asked = [], None
    with log.open() as lines:
        for line in lines:
            if namespace not in line or '"ResponseComplete"' not in line:
                continue
            entry = json.loads(line)
            ref, verb = entry["objectRef"], entry["verb"]
            began, ended = (
                datetime.fromisoformat(entry[name]).timestamp()
                for name in ("requestReceivedTimestamp", "stageTimestamp")
            )
            kind = (verb, ref["resource"], ref.get("subresource"))
            if kind == ("patch", "kernelinstances", None):
                asked = began
            elif (
                kind == ("patch", "pods", "resize")
                and _who(entry) == "operator"
                and entry["responseStatus"]["code"] < 300
            ):
                found += [] if asked is None else [(began - asked, ended - asked)]
                asked = None
    return found


def _who(entry: dict[str, Any]) -> str | None:
    user = entry["user"]["username"]
    if user.startswith(("system:node:", "system:kube-", "system:serviceaccount:kube-system:", "system:apiserver")):
        return None
    return "operator" if user.startswith("system:serviceaccount:") else "client"
