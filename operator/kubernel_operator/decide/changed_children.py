"""What has to arrive of a child as it was sent: without it no operator would find or know it again. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kubernel_api.conditions import Reason
from kubernel_api.constants import (
    GROUP,
    KERNEL_CONTAINER,
    LABEL_MANAGED_BY,
    LABEL_MANAGED_BY_VALUE,
    SECRET_BOOTSTRAP,
)
from kubernel_operator.observe.facts import Json, controller_uid
from kubernel_operator.observe.observed import Refusal


def refusal_of_changed(asked: Json, made: Json) -> Refusal | None:
    """Why a child is of no use although it was made; None: it is as it has to be.

    Admission webhooks may add what they like, and change image, variables and command: that is their administrator's
    business.

    Args:
        asked: as the operator wanted it.
        made: as the API server has it.
    """
    changed = ", ".join(_changed(asked, made))
    if not changed:
        return None
    return Refusal(
        Reason.CONFIG_ERROR,
        f"{asked['kind']} refused: on its way to the API server somebody changed {changed}, probably an admission "
        f"webhook; have it leave these alone in objects with the label {LABEL_MANAGED_BY}={LABEL_MANAGED_BY_VALUE}",
    )


def _changed(asked: Json, made: Json) -> Iterator[str]:
    if made["metadata"]["name"] != asked["metadata"]["name"]:
        yield "metadata.name"
    if (made["metadata"].get("labels") or {}).get(LABEL_MANAGED_BY) != LABEL_MANAGED_BY_VALUE:
        yield f"metadata.labels[{LABEL_MANAGED_BY}]"
    for field in ("labels", "annotations"):
        # Names only: one that an earlier operator made may have other values.
        ours = {name for name in asked["metadata"].get(field) or {} if name.startswith(f"{GROUP}/")}
        for name in sorted(ours - (made["metadata"].get(field) or {}).keys()):
            yield f"metadata.{field}[{name}]"
    if controller_uid(made) != controller_uid(asked):
        yield "metadata.ownerReferences"
    if asked["kind"] != "Pod":
        return
    if made["spec"].get("restartPolicy") != asked["spec"].get("restartPolicy"):
        yield "spec.restartPolicy"
    kernel = _kernels_container(made)
    if kernel is None:
        yield f"spec.containers[{KERNEL_CONTAINER}]"
    elif _variables(_kernels_container(asked)).isdisjoint(_variables(kernel)):
        yield f"spec.containers[{KERNEL_CONTAINER}].env"  # all of it: it would end well, and be no kernel
    elif not kernel.get("envFrom") and SECRET_BOOTSTRAP not in _variables(kernel):  # earlier operators' have a variable
        yield f"spec.containers[{KERNEL_CONTAINER}].envFrom"  # and so would this one


def _kernels_container(pod: Json) -> Json | None:
    return next((c for c in pod["spec"].get("containers") or [] if c.get("name") == KERNEL_CONTAINER), None)


def _variables(container: Json | None) -> set[str]:
    """Names of the variables that its supervisor is started with."""
    names = (str(variable.get("name")) for variable in (container or {}).get("env") or [])
    return {name for name in names if name.startswith("KUBERNEL_")}
