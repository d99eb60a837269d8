"""A KernelTemplate's pod laid over a kernel's: a strategic merge, after which the kernel still works. Pure.

Lists are merged as Kubernetes merges those of a pod: items of the same name become one. What the schema of a
KernelTemplate lets through may be anything, so nothing here relies on its form: the API server judges the result.
"""

from __future__ import annotations

from typing import Any

from kubernel_api.constants import GROUP, KERNEL_CONTAINER, LABEL_COMPONENT, LABEL_MANAGED_BY
from kubernel_operator.observe.facts import Json

#: By which field the items of a list are told apart; of the others, the overlay's list stands.
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "schedulingGates": "name",
}
#: An item with one source: the fields of two would make none.
_WHOLE = {"volumes", "env"}
#: Both lists, each item once.
_UNITED = {"tolerations", "envFrom"}
#: Of the kernel's container: how it is started, whether again, and how Kubernetes would judge it. A kernel is judged by
#: its ports, and ends with its process: what Kubernetes starts again has lost its variables.
RESERVED = (
    "command",
    "args",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "restartPolicy",
    "restartPolicyRules",
    "terminationMessagePolicy",
)


def overlaid(pod: Json, overlay: Json) -> Json:
    """The pod with the overlay's word on everything but what makes the kernel work.

    Args:
        pod: as the operator makes it.
        overlay: ``spec.pod`` of a KernelTemplate: metadata and spec.
    """
    parts = {name: overlay[name] for name in ("metadata", "spec") if isinstance(overlay.get(name), dict)}
    return _working(_merged(pod, parts), pod)


def reserved_fields(overlay: Json) -> list[str]:
    """The fields of an overlay that have no effect, since the kernel would not work with them."""
    metadata, spec = _map(overlay.get("metadata")), _map(overlay.get("spec"))
    found = [
        f"metadata.{kind}[{name}]"
        for kind in ("labels", "annotations")
        for name in _map(metadata.get(kind))
        if _is_own(name)
    ]
    found += ["spec.restartPolicy"] if spec.get("restartPolicy", "Never") != "Never" else []
    for container in _objects(spec.get("containers")):
        if container.get("name") == KERNEL_CONTAINER:
            where = f"spec.containers[{KERNEL_CONTAINER}]"
            found += [f"{where}.{name}" for name in RESERVED if name in container]
            names = (str(variable.get("name")) for variable in _objects(container.get("env")))
            found += [f"{where}.env[{name}]" for name in names if is_own_variable(name)]
    return found


def is_own_variable(name: str) -> bool:
    """Whether a variable of the kernel's container is the supervisor's."""
    return name.startswith("KUBERNEL_") or name == "JPY_PARENT_PID"


def _merged(ours: Any, theirs: Any, field: str = "") -> Any:
    """``theirs`` over ``ours``; null takes a field away."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        both = {k: _merged(ours.get(k), v, k) for k, v in theirs.items() if v is not None}
        return {k: v for k, v in ours.items() if k not in theirs} | both
    if isinstance(ours, list) and isinstance(theirs, list):
        if field in _UNITED:
            return [*ours, *(item for item in theirs if item not in ours)]
        if (key := MERGE_KEYS.get(field)) is not None:
            return _merged_by(key, ours, theirs, whole=field in _WHOLE)
    return theirs


def _merged_by(key: str, ours: list[Any], theirs: list[Any], *, whole: bool) -> list[Any]:
    """Ours in their order, then what only the other list has."""
    merged = list(ours)
    places = {name: place for place, item in enumerate(ours) if (name := _name(item, key)) is not None}
    for item in theirs:
        name = _name(item, key)
        if name in places:
            merged[places[name]] = item if whole else _merged(ours[places[name]], item)
        else:
            merged.append(item)
    return merged


def _name(item: Any, key: str) -> str | int | None:
    name = item.get(key) if isinstance(item, dict) else None
    return name if isinstance(name, str | int) else None


def _working(merged: Json, ours: Json) -> Json:
    """The merged pod with what is the operator's own."""
    metadata, spec = _map(merged.get("metadata")), _map(merged.get("spec"))
    own = ours["metadata"]
    annotations = {k: v for k, v in _map(metadata.get("annotations")).items() if not _is_own(k)}
    labels = {k: v for k, v in _map(metadata.get("labels")).items() if not _is_own(k)}
    theirs = [c for c in _list(spec.get("containers")) if not _is_kernel(c)]
    kernel: Json = next((c for c in _list(spec.get("containers")) if _is_kernel(c)), {})
    return {
        **{k: ours[k] for k in ("apiVersion", "kind")},
        "metadata": {
            **own,
            "labels": labels | own["labels"],
            "annotations": annotations | {k: v for k, v in own["annotations"].items() if _is_own(k)},
        },
        "spec": {
            **spec,
            "restartPolicy": ours["spec"]["restartPolicy"],
            "containers": [_working_container(kernel, ours["spec"]["containers"][0]), *theirs],
        },
    }


def _working_container(merged: Json, ours: Json) -> Json:
    own = [variable for variable in ours["env"] if is_own_variable(variable["name"])]
    sources = [each for each in _list(merged.get("envFrom")) if each not in ours["envFrom"]]
    rest = [v for v in _list(merged.get("env")) if not (isinstance(v, dict) and is_own_variable(str(v.get("name"))))]
    return {
        **{k: v for k, v in merged.items() if k not in RESERVED},
        **{k: ours[k] for k in ("name", *RESERVED) if k in ours},
        "envFrom": [*sources, *ours["envFrom"]],  # the last one wins
        "env": [*own, *rest],
    }


def _is_own(name: str) -> bool:
    """Whether a label or annotation is what pods are known by."""
    return name.startswith(f"{GROUP}/") or name in {LABEL_MANAGED_BY, LABEL_COMPONENT}


def _is_kernel(container: Any) -> bool:
    return isinstance(container, dict) and container.get("name") == KERNEL_CONTAINER


def _map(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[Json]:
    return [item for item in _list(value) if isinstance(item, dict)]
