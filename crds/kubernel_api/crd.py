"""The CustomResourceDefinitions of our kinds, as documents; ``crd_files`` writes them down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from .constants import (
    CATEGORY,
    GROUP,
    KIND,
    PLURAL,
    POOL_KIND,
    POOL_PLURAL,
    POOL_SHORT_NAMES,
    POOL_SINGULAR,
    SHORT_NAMES,
    SINGULAR,
    TEMPLATE_KIND,
    TEMPLATE_PLURAL,
    TEMPLATE_SHORT_NAMES,
    TEMPLATE_SINGULAR,
    VERSION,
)
from .kernel_instance import KernelInstance
from .pool import KernelPool
from .structural import Schema, structural
from .template import KernelTemplate

Columns = tuple[tuple[str, str], ...]
_COLUMN_TYPES: Final = {
    "Restarts": "integer",
    "Age": "date",
    "Desired": "integer",
    "Current": "integer",
    "Updated": "integer",
    "Waiting": "integer",
}


@dataclass(frozen=True)
class Definition:
    """One kind.

    Attributes:
        columns: of ``kubectl get``: name, path.
        wide_columns: those that need ``-o wide``.
        selectable_fields: what ``--field-selector`` and watches can filter by on the server; at most 8.
        scale: the subresource scale, for ``kubectl scale`` and autoscalers; None for none.
    """

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    model: type[BaseModel]
    columns: Columns
    wide_columns: Columns
    selectable_fields: tuple[str, ...] = ()
    scale: Mapping[str, str] | None = None


KERNEL_INSTANCE: Final = Definition(
    kind=KIND,
    plural=PLURAL,
    singular=SINGULAR,
    short_names=SHORT_NAMES,
    model=KernelInstance,
    columns=(
        ("Phase", ".status.phase"),
        ("Reason", ".status.reason"),
        ("Kernel", ".spec.kernel.name"),
        ("Restarts", ".status.restartCount"),
        ("Age", ".metadata.creationTimestamp"),
    ),
    wide_columns=(
        ("Pod", ".status.podName"),
        ("Node", ".status.nodeName"),
        ("Image", ".status.image"),
        ("IP", ".status.connection.ip"),
        ("Template", ".spec.templateName"),
        ("Memory", ".status.memory.usage"),
        ("Limit", ".status.memory.limit"),
        ("Start", ".status.start.type"),
        ("Message", ".status.message"),
    ),
    selectable_fields=(
        ".spec.kernel.name",
        ".spec.lifecycle.leaseName",
        ".spec.templateName",
        ".status.phase",
        ".status.podName",
        ".status.nodeName",
    ),
)
KERNEL_TEMPLATE: Final = Definition(
    kind=TEMPLATE_KIND,
    plural=TEMPLATE_PLURAL,
    singular=TEMPLATE_SINGULAR,
    short_names=TEMPLATE_SHORT_NAMES,
    model=KernelTemplate,
    columns=(
        ("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        ("Reason", ".status.conditions[?(@.type=='Ready')].reason"),
        ("Image", ".spec.defaults.image"),
        ("Age", ".metadata.creationTimestamp"),
    ),
    wide_columns=(
        ("Description", ".spec.description"),
        ("Message", ".status.conditions[?(@.type=='Ready')].message"),
    ),
)
KERNEL_POOL: Final = Definition(
    kind=POOL_KIND,
    plural=POOL_PLURAL,
    singular=POOL_SINGULAR,
    short_names=POOL_SHORT_NAMES,
    model=KernelPool,
    columns=(
        ("Desired", ".spec.replicas"),
        ("Current", ".status.replicas"),
        ("Updated", ".status.updatedReplicas"),
        ("Waiting", ".status.readyReplicas"),
        ("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        ("Age", ".metadata.creationTimestamp"),
    ),
    wide_columns=(
        ("Template", ".spec.templateName"),
        ("Image", ".spec.image"),
        ("Message", ".status.conditions[?(@.type=='Ready')].message"),
    ),
    scale={
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
)
DEFINITIONS: Final = (KERNEL_INSTANCE, KERNEL_TEMPLATE, KERNEL_POOL)


def custom_resource_definition(of: Definition = KERNEL_INSTANCE) -> dict[str, Any]:
    """The whole CRD document, apiextensions.k8s.io/v1; a fresh one with each call."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{of.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": of.kind,
                "listKind": f"{of.kind}List",
                "plural": of.plural,
                "singular": of.singular,
                "shortNames": list(of.short_names),
                "categories": [CATEGORY],
            },
            "versions": [_version(of)],
        },
    }


def open_api_schema(of: Definition = KERNEL_INSTANCE) -> Schema:
    """The structural schema of a kind."""
    return structural(of.model.model_json_schema(by_alias=True))


def _version(of: Definition) -> dict[str, Any]:
    selectable = [{"jsonPath": path} for path in of.selectable_fields]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}, **({"scale": dict(of.scale)} if of.scale else {})},
        **({"selectableFields": selectable} if selectable else {}),
        "additionalPrinterColumns": [
            *(_column(name, path) for name, path in of.columns),
            *(_column(name, path) | {"priority": 1} for name, path in of.wide_columns),
        ],
        "schema": {"openAPIV3Schema": open_api_schema(of)},
    }


def _column(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "type": _COLUMN_TYPES.get(name, "string"), "jsonPath": path}
