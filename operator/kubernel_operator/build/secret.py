"""The connection Secret of a KernelInstance. Pure; keys come in as an argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubernel_api.constants import (
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


def build_secret(cr: dict[str, Any], keys: ConnectionKeys, *, token: str, supervisor: str) -> dict[str, Any]:
    """The Secret: immutable, so the kubelet reads it once and watches nothing.

    Args:
        cr: the KernelInstance.
        keys: fresh keys.
        token: of the pod's callbacks.
        supervisor: source of the supervisor; a kernel keeps the version it started with.
    """
    data = {
        SECRET_KEY: keys.key,
        SECRET_TOKEN: token,
        SECRET_BOOTSTRAP: bootstrap_script(),
        SECRET_SUPERVISOR: supervisor,
    }
    if keys.curve:
        data |= {SECRET_CURVE_PUBLICKEY: keys.curve[0], SECRET_CURVE_SECRETKEY: keys.curve[1]}
    metadata = child_metadata(cr, secret_name(cr["metadata"]["name"], cr["metadata"]["uid"]))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": SECRET_TYPE,
        "immutable": True,
        "stringData": data,
    }
