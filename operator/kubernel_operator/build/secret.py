"""The two Secrets of a KernelInstance: its clients' and its pod's. Pure; keys come in as an argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubernel_api.constants import (
    POD_SECRET_TYPE,
    SECRET_BOOTSTRAP,
    SECRET_CURVE_PUBLICKEY,
    SECRET_CURVE_SECRETKEY,
    SECRET_KEY,
    SECRET_SUPERVISOR,
    SECRET_TOKEN,
    SECRET_TYPE,
)
from kubernel_api.names import secret_name
from kubernel_supervisor.bootstrap import bootstrap_script

from .metadata import child_metadata


@dataclass(frozen=True)
class ConnectionKeys:
    """Fresh keys for one KernelInstance.

    Attributes:
        key: 64 hexadecimal characters; signs Jupyter messages.
        curve: public and secret key in Z85, with encryption.
    """

    key: str = field(repr=False)
    curve: tuple[str, str] | None = field(default=None, repr=False)


def qualified_secret_name(cr: dict[str, Any]) -> str:
    """``namespace/name`` of the Secret: what tokens are derived from and callbacks name."""
    metadata = cr["metadata"]
    return f"{metadata['namespace']}/{secret_name(metadata['name'], metadata['uid'])}"


def build_secret(cr: dict[str, Any], keys: ConnectionKeys) -> dict[str, Any]:
    """The connection Secret: what clients need, and may read."""
    data = {SECRET_KEY: keys.key}
    if keys.curve:
        data |= {SECRET_CURVE_PUBLICKEY: keys.curve[0], SECRET_CURVE_SECRETKEY: keys.curve[1]}
    return _secret(cr, secret_name(cr["metadata"]["name"], cr["metadata"]["uid"]), SECRET_TYPE, data)


def build_pod_secret(cr: dict[str, Any], name: str, *, token: str, supervisor: str) -> dict[str, Any]:
    """The pod's own Secret. Whoever may read a connection key must not be able to speak for the pod.

    Args:
        cr: the KernelInstance.
        name: of the Secret; only the pod knows it.
        token: of the pod's callbacks.
        supervisor: source of the supervisor; a kernel keeps the version it started with.
    """
    data = {SECRET_TOKEN: token, SECRET_BOOTSTRAP: bootstrap_script(), SECRET_SUPERVISOR: supervisor}
    return _secret(cr, name, POD_SECRET_TYPE, data)


def _secret(cr: dict[str, Any], name: str, type_: str, data: dict[str, str]) -> dict[str, Any]:
    """Immutable, so the kubelet reads it once and watches nothing."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": child_metadata(cr, name),
        "type": type_,
        "immutable": True,
        "stringData": data,
    }
