"""Keys that a client makes, on their way to the operator in the KernelInstance: nobody else can read them.

They are sealed to a public key of the operator's, which KernelPools say in their status. Its secret half derives from
the operator's own secret and lies nowhere. Whose they are is sealed in: elsewhere they open nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from kubernel_api.constants import SECRET_CURVE_PUBLICKEY, SECRET_CURVE_SECRETKEY, SECRET_KEY

from .keys import ConnectionKeys

if TYPE_CHECKING:  # imported by the first who has something to seal
    from nacl.public import PrivateKey


def _for(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"


@cache
def _secret_half(operator_key: bytes) -> PrivateKey:
    from nacl.public import PrivateKey

    return PrivateKey(hmac.new(operator_key, b"kubernel-sealed-keys-v1", hashlib.sha256).digest())


@cache
def public_key(operator_key: bytes) -> str:
    """What clients seal to: a Curve25519 key in base64."""
    return base64.b64encode(bytes(_secret_half(operator_key).public_key)).decode()


def seal_keys(public: str, namespace: str, name: str, keys: ConnectionKeys) -> str:
    """``spec.connection.sealedKeys`` of the KernelInstance of that name: a libsodium sealed box in base64.

    Raises:
        ValueError: that is no public key.
    """
    from nacl.exceptions import CryptoError
    from nacl.public import PublicKey, SealedBox

    text = json.dumps({"for": _for(namespace, name), "keys": keys.texts()}, separators=(",", ":"))
    try:
        box = SealedBox(PublicKey(base64.b64decode(public, validate=True)))
        return base64.b64encode(box.encrypt(text.encode())).decode()
    except (CryptoError, TypeError) as error:
        raise ValueError(f"{public!r} is no public key") from error


def opened_keys(operator_key: bytes, namespace: str, name: str, sealed: str) -> dict[str, str] | None:
    """The keys, by their names in the Secret; None: sealed to somebody else, or for another KernelInstance."""
    from nacl.exceptions import CryptoError
    from nacl.public import SealedBox

    try:
        told = json.loads(SealedBox(_secret_half(operator_key)).decrypt(base64.b64decode(sealed, validate=True)))
        keys = {str(k): str(v) for k, v in told["keys"].items()} if told["for"] == _for(namespace, name) else {}
    except (CryptoError, ValueError, TypeError, KeyError, AttributeError):
        return None
    known = {SECRET_KEY, SECRET_CURVE_PUBLICKEY, SECRET_CURVE_SECRETKEY}
    return keys if keys.get(SECRET_KEY) and keys.keys() <= known else None


def keys_sealed_in(operator_key: bytes, instance: dict[str, Any]) -> dict[str, str] | None:
    """Those that come with a KernelInstance; None: none do, or they are not for this one."""
    meta, connection = instance["metadata"], instance["spec"].get("connection") or {}
    return opened_keys(operator_key, meta["namespace"], meta["name"], connection.get("sealedKeys") or "")
