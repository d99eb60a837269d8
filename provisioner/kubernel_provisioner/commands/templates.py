"""``kubernel templates``: the KernelTemplates that there are to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubernel_api.conditions import ConditionType, find_condition
from kubernel_cluster import paths
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.cluster.api_errors import explain


@dataclass(frozen=True)
class Template:
    """One KernelTemplate.

    Attributes:
        ready: True, False or Unknown; "" before an operator has tried it.
        image: its default image; "" for the operator's.
    """

    name: str
    ready: str
    image: str
    description: str


async def list_templates(key: ClusterKey, namespace: str) -> list[Template]:
    """Those of the operator's namespace, by name.

    Args:
        key: which cluster.
        namespace: the operator's. No notebook server may ask the cluster where that is.

    Raises:
        KubernelError: they may not be listed, or nobody answers.
    """
    api = await Api.open(key)
    try:
        answer = await api.request("GET", paths.kernel_templates(namespace))
    except ApiError as error:
        raise explain(error, f"list the KernelTemplates of namespace {namespace}", key, namespace) from error
    finally:
        await api.close()
    return sorted(map(_template, answer["items"]), key=lambda template: template.name)


def _template(obj: dict[str, Any]) -> Template:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ready = find_condition(status.get("conditions") or [], ConditionType.READY) or {}
    image = (spec.get("defaults") or {}).get("image") or ""
    return Template(obj["metadata"]["name"], ready.get("status", ""), image, spec.get("description") or "")
