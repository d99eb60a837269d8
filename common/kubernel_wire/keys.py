"""The keys of a kernel's connection: fresh ones, and the Secret that brings them into the pod.

The operator makes them, or, with ``spec.connection.keyFrom: Client``, whoever creates the KernelInstance. No name or
body differs, so a pod cannot tell who did.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import zmq

from kubernel_api.children import child_secret
from kubernel_api.constants import SECRET_CURVE_PUBLICKEY, SECRET_CURVE_SECRETKEY, SECRET_KEY, SECRET_TYPE
from kubernel_api.names import secret_name


@dataclass(frozen=True)
class ConnectionKeys:
    """Keys of one KernelInstance.

    Attributes:
        key: 64 hexadecimal characters; signs Jupyter messages.
        curve: public and secret key in Z85, with encryption.
    """

    key: str = field(repr=False)
    curve: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def read(cls, data: dict[str, str]) -> ConnectionKeys:
        """From ``data()``."""
        return cls.of({name: base64.b64decode(value).decode() for name, value in data.items()})

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> ConnectionKeys:
        """From ``texts()``."""
        public, secret = texts.get(SECRET_CURVE_PUBLICKEY), texts.get(SECRET_CURVE_SECRETKEY)
        return cls(texts[SECRET_KEY], (public, secret) if public and secret else None)

    def texts(self) -> dict[str, str]:
        """By the names that they have in the Secret."""
        texts = {SECRET_KEY: self.key}
        if self.curve:
            texts |= {SECRET_CURVE_PUBLICKEY: self.curve[0], SECRET_CURVE_SECRETKEY: self.curve[1]}
        return texts

    def data(self) -> dict[str, str]:
        """``data`` of the Secret as the API server gives it: base64."""
        return {name: base64.b64encode(text.encode()).decode() for name, text in self.texts().items()}


def new_keys(encrypted: bool) -> ConnectionKeys:
    """Fresh keys; with a CurveZMQ pair when the connection is encrypted."""
    curve = zmq.curve_keypair() if encrypted else None
    return ConnectionKeys(secrets.token_hex(32), (curve[0].decode(), curve[1].decode()) if curve else None)


def connection_secret(cr: dict[str, Any], keys: ConnectionKeys) -> dict[str, Any]:
    """The connection Secret: what clients need, and, where they may, read.

    Args:
        cr: the KernelInstance as the API server gave it: the Secret's name has its uid in it.
        keys: fresh ones.
    """
    metadata = cr["metadata"]
    return child_secret(cr, secret_name(metadata["name"], metadata["uid"]), SECRET_TYPE, keys.texts())
