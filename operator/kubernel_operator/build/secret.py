"""The Secret of a KernelInstance's pod. Pure. Its clients' is ``kubernel_wire.keys``."""

from __future__ import annotations

from typing import Any

from kubernel_api.children import child_secret
from kubernel_api.constants import POD_SECRET_TYPE, SECRET_BOOTSTRAP, SECRET_TOKEN
from kubernel_api.names import secret_name
from kubernel_supervisor.bootstrap import bootstrap_script


def qualified_secret_name(cr: dict[str, Any]) -> str:
    """``namespace/name`` of the connection Secret: what tokens are derived from and callbacks name."""
    metadata = cr["metadata"]
    return f"{metadata['namespace']}/{secret_name(metadata['name'], metadata['uid'])}"


def build_pod_secret(cr: dict[str, Any], name: str, *, token: str, supervisor: str) -> dict[str, Any]:
    """The pod's own Secret. Whoever may read a connection key must not be able to speak for the pod.

    Args:
        cr: the KernelInstance.
        name: of the Secret; only the pod knows it.
        token: of the pod's callbacks.
        supervisor: source of the supervisor that the pod is to execute, and no other.
    """
    data = {SECRET_TOKEN: token, SECRET_BOOTSTRAP: bootstrap_script(supervisor)}
    return child_secret(cr, name, POD_SECRET_TYPE, data)
