"""The Secrets of clients and pods."""

from fixtures.objects import UID, cr
from kubernel_operator.build.secret import ConnectionKeys, build_pod_secret, build_secret, qualified_secret_name
from kubernel_supervisor.bootstrap import bootstrap_script


def test_build_secret() -> None:
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    assert build_secret(cr(), keys) == {
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
    assert build_secret(cr(), ConnectionKeys("k"))["stringData"] == {"key": "k"}


def test_build_pod_secret() -> None:
    """What a client may read does not speak for the pod, and the other way round."""
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    clients, pods = build_secret(cr(), keys), build_pod_secret(cr(), "p", token="t", supervisor="s")
    assert pods == {
        **clients,
        "metadata": {**clients["metadata"], "name": "p"},
        "type": "kubernel.dev/pod",
        "stringData": {"token": "t", "bootstrap.sh": bootstrap_script(), "supervisor.py": "s"},
    }


def test_qualified_secret_name() -> None:
    assert qualified_secret_name(cr()) == "ns/k1-0123abcd45"


def test_keys_are_not_printed() -> None:
    assert repr(ConnectionKeys("the key", ("public", "secret"))) == "ConnectionKeys()"
