"""The connection Secret."""

from fixtures.objects import UID, cr
from kubernel_operator.build.secret import ConnectionKeys, build_secret, qualified_secret_name
from kubernel_supervisor.bootstrap import bootstrap_script


def test_build_secret() -> None:
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    assert build_secret(cr(), keys, token="t", supervisor="print()") == {
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
            "token": "t",
            "bootstrap.sh": bootstrap_script(),
            "supervisor.py": "print()",
            "curve_publickey": "public",
            "curve_secretkey": "secret",
        },
    }


def test_without_encryption() -> None:
    data = build_secret(cr(), ConnectionKeys("k"), token="t", supervisor="s")["stringData"]
    assert data == {"key": "k", "token": "t", "bootstrap.sh": bootstrap_script(), "supervisor.py": "s"}


def test_qualified_secret_name() -> None:
    assert qualified_secret_name(cr()) == "ns/k1-0123abcd45"


def test_keys_are_not_printed() -> None:
    assert repr(ConnectionKeys("the key", ("public", "secret"))) == "ConnectionKeys()"
