"""The Secrets of clients and pods."""

from typing import Any

import pytest

from fixtures.objects import OPERATOR_KEY, POD_SECRET, SUPERVISOR, cr
from kubernel_operator.build.secret import holds_keys, own_secret, qualified_secret_name
from kubernel_supervisor.bootstrap import bootstrap_script
from kubernel_wire.callback import token
from kubernel_wire.keys import ConnectionKeys, connection_secret
from kubernel_wire.sealed_keys import public_key, seal_keys


def test_own_secret() -> None:
    """What a client may read does not speak for the pod, and the other way round."""
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    clients, pods = connection_secret(cr(), keys), own_secret(cr(), OPERATOR_KEY, "s")
    assert pods == {
        **clients,
        "metadata": {**clients["metadata"], "name": pods["metadata"]["name"]},
        "type": "kubernel.dev/pod",
        "stringData": {
            "KUBERNEL_TOKEN": token(OPERATOR_KEY, "ns/k1-0123abcd45"),
            "KUBERNEL_BOOTSTRAP": bootstrap_script("s"),
        },
    }
    assert pods["metadata"]["name"] != own_secret(cr(), OPERATOR_KEY, "another version")["metadata"]["name"]


def test_qualified_secret_name() -> None:
    assert qualified_secret_name(cr()) == "ns/k1-0123abcd45"


def sealed(keys: ConnectionKeys, name: str = "k1", **connection: Any) -> dict[str, Any]:
    """A KernelInstance whose client has told the operator its keys."""
    text = seal_keys(public_key(OPERATOR_KEY), "ns", name, keys)
    return cr(connection={"keyFrom": "Client", "sealedKeys": text, **connection})


def test_sealed_keys_are_in_the_pods_own_secret() -> None:
    """Under another name: an operator that did not know of it has made one without them, which cannot be changed."""
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    instance = sealed(keys, encryption="Auto")
    secret = own_secret(instance, OPERATOR_KEY, SUPERVISOR)
    plain = own_secret(cr(), OPERATOR_KEY, SUPERVISOR)
    assert (plain["metadata"]["name"], holds_keys(plain)) == (POD_SECRET, False)
    assert (secret["metadata"]["name"] != POD_SECRET, holds_keys(secret)) == (True, True)
    assert secret["stringData"] == {
        **plain["stringData"],
        "KUBERNEL_KEY": "k" * 64,
        "KUBERNEL_CURVE_PUBLICKEY": "public",
        "KUBERNEL_CURVE_SECRETKEY": "secret",
    }


@pytest.mark.parametrize(
    "instance",
    [
        pytest.param(cr(connection={"keyFrom": "Client"}), id="not told"),
        pytest.param(sealed(ConnectionKeys("k" * 64), "k2"), id="another's"),
        pytest.param(sealed(ConnectionKeys("k" * 64), keyFrom="Operator"), id="the operator makes them"),
        pytest.param(sealed(ConnectionKeys("k" * 64), encryption="Curve"), id="none that encrypt"),
    ],
)
def test_keys_that_the_pod_has_to_wait_for(instance: dict[str, Any]) -> None:
    assert own_secret(instance, OPERATOR_KEY, SUPERVISOR) == own_secret(cr(), OPERATOR_KEY, SUPERVISOR)
