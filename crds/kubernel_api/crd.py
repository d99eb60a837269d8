"""The CustomResourceDefinition of a KernelInstance, as a document; ``crd_files`` writes it down."""

from __future__ import annotations

from typing import Any, Final

from .constants import CATEGORY, GROUP, KIND, PLURAL, SHORT_NAMES, SINGULAR, VERSION
from .kernel_instance import KernelInstance
from .structural import Schema, structural

#: Fields that ``kubectl get kernels --field-selector`` and watches can filter by on the server; at most 8.
SELECTABLE_FIELDS: Final = (
    ".spec.kernel.name",
    ".spec.lifecycle.leaseName",
    ".status.phase",
    ".status.podName",
    ".status.nodeName",
)
#: Columns of ``kubectl get kernels``: name, path; those of WIDE need ``-o wide``.
COLUMNS: Final = (
    ("Phase", ".status.phase"),
    ("Reason", ".status.reason"),
    ("Kernel", ".spec.kernel.name"),
    ("Restarts", ".status.restartCount"),
    ("Age", ".metadata.creationTimestamp"),
)
WIDE_COLUMNS: Final = (
    ("Pod", ".status.podName"),
    ("Node", ".status.nodeName"),
    ("Image", ".status.image"),
    ("IP", ".status.connection.ip"),
    ("Message", ".status.message"),
)
_COLUMN_TYPES: Final = {"Restarts": "integer", "Age": "date"}


def custom_resource_definition() -> dict[str, Any]:
    """The whole CRD document, apiextensions.k8s.io/v1; a fresh one with each call."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": list(SHORT_NAMES),
                "categories": [CATEGORY],
            },
            "versions": [_version()],
        },
    }


def open_api_schema() -> Schema:
    """The structural schema of a KernelInstance."""
    return structural(KernelInstance.model_json_schema(by_alias=True))


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": path} for path in SELECTABLE_FIELDS],
        "additionalPrinterColumns": [
            *(_column(name, path) for name, path in COLUMNS),
            *(_column(name, path) | {"priority": 1} for name, path in WIDE_COLUMNS),
        ],
        "schema": {"openAPIV3Schema": open_api_schema()},
    }


def _column(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "type": _COLUMN_TYPES.get(name, "string"), "jsonPath": path}
