"""Which encryption is asked for, and what a kernel manager forgets."""

from types import SimpleNamespace

import pytest

from kubernel_provisioner.encryption import forget_keys, policy_of, wanted_encryption
from kubernel_provisioner.errors import ConfigurationError


@pytest.mark.parametrize(
    ("option", "policy", "expected"),
    [
        ("Auto", "disabled", "Auto"),  # the manager's default: nobody has said anything
        ("Auto", "auto", "Auto"),
        ("Auto", "required", "Curve"),
        ("Curve", "disabled", "Curve"),
        ("Disabled", "auto", "Disabled"),
        ("Auto", None, "Disabled"),  # this process cannot
    ],
)
def test_encryption(option: str, policy: str | None, expected: str) -> None:
    assert wanted_encryption(option, policy) == expected


def test_encryption_that_this_process_cannot_do() -> None:
    with pytest.raises(ConfigurationError, match=r"jupyter_client 8\.9"):
        wanted_encryption("Curve", None)


def test_a_manager_of_an_older_jupyter_client_cannot() -> None:
    assert policy_of(SimpleNamespace()) is None
    assert policy_of(SimpleNamespace(transport_encryption="auto")) == "auto"


def test_keys_of_an_earlier_kernel_are_forgotten() -> None:
    manager = SimpleNamespace(curve_publickey=b"p", curve_secretkey=b"s")
    forget_keys(manager, {"curve_publickey": "p"})
    assert manager.curve_secretkey == b"s"
    forget_keys(manager, {"key": b"k"})
    assert (manager.curve_publickey, manager.curve_secretkey) == (None, None)
    forget_keys(None, {})
