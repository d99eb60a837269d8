"""The Secret of a KernelInstance's pod. Pure. Its clients' is ``kubernel_wire.keys``."""

from __future__ import annotations

from typing import Any

from kubernel_api.children import child_secret
from kubernel_api.constants import (
    POD_SECRET_TYPE,
    SECRET_BOOTSTRAP,
    SECRET_CURVE_SECRETKEY,
    SECRET_KEY,
    SECRET_TOKEN,
)
from kubernel_api.names import pod_secret_name, secret_name
from kubernel_supervisor.bootstrap import bootstrap_script, supervisor_digest
from kubernel_wire.callback import pod_secret_mark, token
from kubernel_wire.sealed_keys import keys_sealed_in


def qualified_secret_name(cr: dict[str, Any]) -> str:
    """``namespace/name`` of the connection Secret: what tokens are derived from and callbacks name."""
    metadata = cr["metadata"]
    return f"{metadata['namespace']}/{secret_name(metadata['name'], metadata['uid'])}"


def has_sealed_keys(cr: dict[str, Any], operator_key: bytes) -> bool:
    """Whether the client that makes the keys has told the operator: its pod need not wait for the client's Secret."""
    return bool(_sealed_keys(cr, operator_key))


def _sealed_keys(cr: dict[str, Any], operator_key: bytes) -> dict[str, str]:
    connection = cr["spec"].get("connection") or {}
    keys = keys_sealed_in(operator_key, cr) if connection.get("keyFrom") == "Client" else None
    needed = SECRET_KEY if connection.get("encryption", "Disabled") == "Disabled" else SECRET_CURVE_SECRETKEY
    return keys if keys is not None and needed in keys else {}


def own_secret_name(cr: dict[str, Any], operator_key: bytes, supervisor: str) -> str:
    """Name of the pod's own Secret: another one for another content, which cannot be changed."""
    metadata = cr["metadata"]
    content = supervisor_digest(supervisor) + (" keys" if has_sealed_keys(cr, operator_key) else "")
    mark = pod_secret_mark(operator_key, qualified_secret_name(cr), content)
    return pod_secret_name(metadata["name"], metadata["uid"], mark)


def own_secret(cr: dict[str, Any], operator_key: bytes, supervisor: str) -> dict[str, Any]:
    """The pod's own Secret, with the connection's keys where the client has sealed them."""
    name, pods_token = own_secret_name(cr, operator_key, supervisor), token(operator_key, qualified_secret_name(cr))
    secret = build_pod_secret(cr, name, token=pods_token, supervisor=supervisor)
    secret["stringData"] |= _sealed_keys(cr, operator_key)
    return secret


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
