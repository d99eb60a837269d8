"""Connection info in the types that jupyter_client checks."""

import base64
from typing import Any

import pytest
from jupyter_client.connect import ConnectionFileMixin

from kubernel_api.connection import connection_info

CONNECTION = {
    "ip": "10.96.0.7",
    "ports": {"shell": 18881, "iopub": 18882, "stdin": 18883, "control": 18884, "hb": 18885},
    "transport": "tcp",
    "signatureScheme": "hmac-sha256",
    "secretName": "demo-0123456789",
    "controlPort": 18886,
    "podIP": "10.244.0.7",
}
PLAIN = {
    "transport": "tcp",
    "ip": "10.96.0.7",
    "shell_port": 18881,
    "iopub_port": 18882,
    "stdin_port": 18883,
    "control_port": 18884,
    "hb_port": 18885,
    "signature_scheme": "hmac-sha256",
    "key": b"0a1b",
}


def encoded(**values: str) -> dict[str, str]:
    return {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        pytest.param(encoded(key="0a1b"), PLAIN, id="plain"),
        pytest.param(
            encoded(key="0a1b", curve_publickey="public", curve_secretkey="secret"),
            PLAIN | {"curve_publickey": "public", "curve_secretkey": "secret"},
            id="encrypted",
        ),
        pytest.param(
            {**encoded(key="0a1b", token="t"), "supervisor.py": "eA=="}, PLAIN, id="what is for the pod alone"
        ),
    ],
)
def test_connection_info(secret: dict[str, str], expected: dict[str, Any]) -> None:
    info = connection_info(CONNECTION, secret)
    assert info == expected
    assert {name: type(value) for name, value in info.items()} == {
        name: type(value) for name, value in expected.items()
    }


@pytest.mark.parametrize(("spoken", "is_used"), [("Curve", True), ("Disabled", False)])
def test_keys_that_the_kernel_does_not_use_are_left_out(spoken: str, is_used: bool) -> None:
    secret = encoded(key="0a1b", curve_publickey="public", curve_secretkey="secret")
    assert ("curve_publickey" in connection_info({**CONNECTION, "encryption": spoken}, secret)) is is_used


def test_a_kernel_manager_of_jupyter_client_takes_it() -> None:
    manager = ConnectionFileMixin()
    info: Any = connection_info(CONNECTION, encoded(key="0a1b"))
    manager.load_connection_info(info)
    assert (manager.ip, manager.shell_port, manager.hb_port, manager.session.key) == (
        "10.96.0.7",
        18881,
        18885,
        b"0a1b",
    )


def test_without_a_key_there_is_no_connection() -> None:
    with pytest.raises(KeyError, match="key"):
        connection_info(CONNECTION, {})
