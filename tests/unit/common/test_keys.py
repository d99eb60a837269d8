"""The keys of a connection, and their Secret."""

import base64

from fixtures.objects import UID, cr
from kubernel_api.connection import connection_info
from kubernel_wire.keys import ConnectionKeys, connection_secret, new_keys


def test_connection_secret() -> None:
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    assert connection_secret(cr(), keys) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "k1-0123abcd45",
            "namespace": "ns",
            "labels": {
                "app.kubernetes.io/managed-by": "kubernel",
                "app.kubernetes.io/component": "kernel",
                "kubernel.dev/instance": "k1",
            },
            "ownerReferences": [
                {
                    "apiVersion": "kubernel.dev/v1beta1",
                    "kind": "KernelInstance",
                    "name": "k1",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "type": "kubernel.dev/connection",
        "immutable": True,
        "stringData": {
            "key": "k" * 64,
            "curve_publickey": "public",
            "curve_secretkey": "secret",
        },
    }


def test_without_encryption() -> None:
    assert connection_secret(cr(), ConnectionKeys("k"))["stringData"] == {"key": "k"}


def test_a_secret_that_was_made_is_one_that_is_read() -> None:
    keys = new_keys(encrypted=True)
    ready = {"ip": "10.0.0.7", "transport": "tcp", "signatureScheme": "hmac-sha256", "ports": {}}
    info = connection_info(ready, keys.data())
    assert keys.curve == (info["curve_publickey"], info["curve_secretkey"])
    assert info["key"].decode() == keys.key
    assert ConnectionKeys.read(keys.data()) == keys
    sent = connection_secret(cr(), keys)["stringData"]
    assert keys.data() == {name: base64.b64encode(text.encode()).decode() for name, text in sent.items()}


def test_every_kernel_has_keys_of_its_own() -> None:
    assert new_keys(encrypted=True) != new_keys(encrypted=True)
    assert new_keys(encrypted=False).curve is None


def test_keys_are_not_printed() -> None:
    assert repr(ConnectionKeys("the key", ("public", "secret"))) == "ConnectionKeys()"
