"""Which pool's pods fit a KernelInstance: those made from the same, but for what can be told late. Pure."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from kubernel_api.quantity import amount
from kubernel_operator.observe.facts import Json, part
from kubernel_operator.observe.observed import Cold
from kubernel_operator.observe.pool_facts import Shape
from kubernel_operator.observe.template_facts import TemplateFacts
from kubernel_operator.settings import Settings

from .pod import build_pod
from .shape import growing_memory, shaped

#: Told to a member when it is claimed, or nothing that its pod knows.
_BOUND_LATE = ("env", "workingDir", "lifecycle", "owner", "connection", "suspend", "restartGeneration", "startupCPU")
# So many fields of those that differ are named with their values.
_NAMED = 3


def shape_of(spec: Json, settings: Settings, template: TemplateFacts | None, supervisor_map: str) -> Shape:
    """What the pod of a spec is made from.

    A kernel's command can be told late: where it is another than its pool's, its start is a new process in a warm pod.
    Kernels of a pool are forked unless a spec itself says Never.

    Args:
        spec: of a KernelInstance, or what a pool has in its place.
        settings: the operator's defaults.
        template: that of the spec.
        supervisor_map: the supervisor's version.
    """
    fork = "Never" if part(spec, "kernel").get("fork") == "Never" else "Auto"
    alike = {
        **{name: value for name, value in spec.items() if name not in _BOUND_LATE},
        "kernel": {"fork": fork, "preload": []},
    }
    return Shape(_digest(alike, settings, template, supervisor_map), dict(_fields(alike, settings, template)))


def _digest(alike: Json, settings: Settings, template: TemplateFacts | None, supervisor_map: str) -> str:
    """Of the pod, however amounts are written."""
    body = build_pod(
        {"metadata": {"name": "", "namespace": "", "uid": ""}, "spec": alike},
        settings,
        incarnation=1,
        callback_url=None,
        pod_secret="",
        supervisor_map=supervisor_map,
        template=template,
        member={"name": "", "namespace": "", "labels": {}},
    )
    body = copy.deepcopy(body)
    for container in body["spec"]["containers"]:
        for amounts in (container.get("resources") or {}).values():
            amounts.update({name: str(amount(value).normalize()) for name, value in amounts.items()})
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=10).hexdigest()


def _fields(alike: Json, settings: Settings, template: TemplateFacts | None) -> Iterator[tuple[str, Any]]:
    """What a spec says of its pod, by path. How far memory may grow is nothing that the pod knows."""
    growing = growing_memory(alike, settings, template)
    effective = {
        **{name: value for name, value in shaped(alike, settings, template).items() if name not in _BOUND_LATE},
        "memory": {"whenFull": growing["whenFull"]} if growing else {},
    }
    yield from _flat(effective, "")


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(each, f"{path}.{name}" if path else name)
    elif value not in (None, "", []):
        yield path, value


def why_none(pools: Mapping[str, Shape], wanted: Shape) -> Cold:
    """Why a KernelInstance gets no pool's pod: of several that do not fit, what the one lacks that is most like it.

    Args:
        pools: by name, what the members of those of its namespace are made from.
        wanted: what its own pod is made from.
    """
    if (fits := next((name for name, shape in pools.items() if shape.digest == wanted.digest), None)) is not None:
        return Cold("NoMemberReady", f"KernelPool {fits} fits, and none of its members was ready.")
    if not pools:
        return Cold("NoPoolFits", "No KernelPool of this namespace can make members so far; their conditions say why.")
    unlike = {name: differences(shape, wanted) for name, shape in pools.items()}
    nearest = min(unlike, key=lambda name: (len(unlike[name]), name))
    return Cold("NoPoolFits", _sentence(nearest, unlike[nearest], pools[nearest], wanted))


def differences(pools: Shape, kernels: Shape) -> list[str]:
    """The paths at which two specs ask for different pods; a template's name first: others may follow from it."""
    paths = pools.fields.keys() | kernels.fields.keys()
    found = (path for path in paths if _comparable(pools, path) != _comparable(kernels, path))
    return sorted(found, key=lambda path: (path != "templateName", path != "image", path))


def _comparable(shape: Shape, path: str) -> str | Decimal:
    value = shape.fields.get(path)
    return amount(value) if path.startswith("resources.") and value is not None else _text(value)


def _sentence(pool: str, paths: list[str], pools: Shape, kernels: Shape) -> str:
    if not paths:
        return f"KernelPool {pool} will fit when its members have been made anew."
    found = [f"{p} {_text(pools.fields.get(p))}, this kernel {_text(kernels.fields.get(p))}" for p in paths[:_NAMED]]
    more = f"; {len(paths) - _NAMED} more differ" if len(paths) > _NAMED else ""
    return f"KernelPool {pool} has {'; '.join(found)}{more}."


def _text(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
