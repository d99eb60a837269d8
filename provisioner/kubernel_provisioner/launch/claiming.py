"""Kernels of the same owner that another server has left: finding them, and what is needed to take one over."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.connection import connection_info
from kubernel_api.constants import ANNOTATION_JUPYTER, LABEL_OWNER
from kubernel_api.names import label_value, secret_name
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster, shared_cluster
from kubernel_provisioner.errors import KubernelError
from kubernel_provisioner.ownership import patch_own, server_of
from kubernel_provisioner.reach.route import Route, find_route

from .kernel_resource import describe_for_jupyter
from .launching import Held, pod_of
from .verdict import is_finished


@dataclass(frozen=True)
class Left:
    """A kernel that may be taken over, as its Jupyter server described it.

    Args:
        instance: the KernelInstance.
        kernel_id: Jupyter's.
        kernel_name: of the server's kernelspec.
        session: id, path, name and type of the notebook's session; None when it had none.
    """

    instance: dict[str, Any]
    kernel_id: str
    kernel_name: str
    session: dict[str, str] | None

    @property
    def is_ready(self) -> bool:
        """Whether it runs; else it starts, or restarts."""
        return is_true(self.instance.get("status") or {}, ConditionType.READY)


def read_left(instance: dict[str, Any], owner: str) -> Left | None:
    """What a KernelInstance says of itself; None when it is another owner's, over, or says nothing."""
    metadata, status = instance["metadata"], instance.get("status") or {}
    is_over = is_finished(status) or "deletionTimestamp" in metadata
    if instance["spec"].get("owner") != owner or is_over:
        return None
    try:
        told = json.loads((metadata.get("annotations") or {}).get(ANNOTATION_JUPYTER, ""))
        session = told["session"] and {key: str(told["session"][key] or "") for key in ("id", "path", "name", "type")}
        return Left(instance, str(told["kernel_id"]), str(told["kernel_name"]), session)
    except (ValueError, KeyError, TypeError):
        return None


async def find_left(key: ClusterKey, owner: str) -> list[Left]:
    """The living kernels of an owner.

    Raises:
        KubernelError: the API server cannot be used, or does not allow it.
    """
    api = await Api.open(key)
    try:
        found = await api.list_instances(f"{LABEL_OWNER}={label_value(owner)}")
    except ApiError as error:
        raise api.explain(error, "list KernelInstances") from error
    finally:
        await api.close()
    return [left for instance in found if (left := read_left(instance, owner)) is not None]


async def way_to(
    key: ClusterKey, background: Background, left: Left, access: str, orphan_after: int
) -> tuple[Held, Route]:
    """All that ``RemoteKernel.adopt`` needs; reads the kernel's key.

    Raises:
        KubernelError: the key may not be read, or the kernel does not answer.
    """
    cluster: Cluster = await shared_cluster(key, background, orphan_after)
    metadata = left.instance["metadata"]
    name, uid = metadata["name"], metadata["uid"]
    secret = secret_name(name, uid)
    try:
        direct = connection_info(left.instance["status"]["connection"], await cluster.api.read_secret(secret))
    except ApiError as error:
        raise cluster.api.explain(error, "read the key of the kernel") from error
    restart = int(left.instance["spec"].get("restartGeneration") or 0)
    held = Held(name, uid, metadata["generation"], restart, direct, server_of(left.instance))
    cluster.view.offer(left.instance)
    route = Route()
    await find_route(route, access, cluster, direct, lambda: pod_of(cluster, held))
    return held, route


async def describe(
    key: ClusterKey, background: Background, held: Held, kernel_id: str, kernel_name: str, session: dict[str, Any]
) -> None:
    """Writes down for which notebook a kernel runs by now."""
    cluster = await shared_cluster(key, background)
    annotations = {ANNOTATION_JUPYTER: describe_for_jupyter(kernel_id, kernel_name, session)}
    patch = {"metadata": {"annotations": annotations}}
    with suppress(ApiError, KubernelError):
        await patch_own(cluster.api, held.name, held.uid, None, held.server, patch)
