"""The Secrets of clients and pods."""

from fixtures.objects import cr
from kubernel_operator.build.secret import build_pod_secret, qualified_secret_name
from kubernel_supervisor.bootstrap import bootstrap_script
from kubernel_wire.keys import ConnectionKeys, connection_secret


def test_build_pod_secret() -> None:
    """What a client may read does not speak for the pod, and the other way round."""
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    clients, pods = connection_secret(cr(), keys), build_pod_secret(cr(), "p", token="t", supervisor="s")
    assert pods == {
        **clients,
        "metadata": {**clients["metadata"], "name": "p"},
        "type": "kubernel.dev/pod",
        "stringData": {"token": "t", "bootstrap.sh": bootstrap_script("s")},
    }


def test_qualified_secret_name() -> None:
    assert qualified_secret_name(cr()) == "ns/k1-0123abcd45"
