"""The Secrets of clients and pods."""

from typing import Any

import pytest

from fixtures.objects import OPERATOR_KEY, POD_SECRET, SUPERVISOR, cr
from kubernel_operator.build.secret import (
    build_pod_secret,
    has_sealed_keys,
    own_secret,
    own_secret_name,
    qualified_secret_name,
)
from kubernel_supervisor.bootstrap import bootstrap_script
from kubernel_wire.keys import ConnectionKeys, connection_secret
from kubernel_wire.sealed_keys import public_key, seal_keys


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


def sealed(keys: ConnectionKeys, name: str = "k1", **connection: Any) -> dict[str, Any]:
    """A KernelInstance whose client has told the operator its keys."""
    text = seal_keys(public_key(OPERATOR_KEY), "ns", name, keys)
    return cr(connection={"keyFrom": "Client", "sealedKeys": text, **connection})


def test_sealed_keys_are_in_the_pods_own_secret() -> None:
    """Under another name: an operator that did not know of it has made one without them, which cannot be changed."""
    keys = ConnectionKeys("k" * 64, ("public", "secret"))
    instance = sealed(keys, encryption="Auto")
    secret = own_secret(instance, OPERATOR_KEY, SUPERVISOR)
    assert secret["stringData"].items() > keys.texts().items()
    assert secret["metadata"]["name"] == own_secret_name(instance, OPERATOR_KEY, SUPERVISOR) != POD_SECRET
    plain = own_secret(cr(), OPERATOR_KEY, SUPERVISOR)
    assert (plain["metadata"]["name"], plain["stringData"].keys()) == (POD_SECRET, {"token", "bootstrap.sh"})
    assert secret["stringData"]["token"] == plain["stringData"]["token"]


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
    assert not has_sealed_keys(instance, OPERATOR_KEY)
    assert own_secret(instance, OPERATOR_KEY, SUPERVISOR) == own_secret(cr(), OPERATOR_KEY, SUPERVISOR)
