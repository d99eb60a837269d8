"""Which encryption is asked for, and what a kernel manager forgets."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_client.threaded import ThreadedKernelClient

from kubernel_provisioner import KubernetesProvisioner
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


@pytest.fixture
def encrypted() -> Iterator[KernelManager]:
    """A manager that has keys."""
    manager = KernelManager(ip="127.0.0.1", shell_port=1, iopub_port=2, stdin_port=3, control_port=4, hb_port=5)
    manager.curve_publickey, manager.curve_secretkey = zmq.curve_keypair()
    yield manager
    manager._close_control_socket()
    manager.context.destroy(linger=0)


@pytest.mark.skipif(not hasattr(KernelManager, "curve_publickey"), reason="since jupyter_client 8.9")
@pytest.mark.parametrize("client", [BlockingKernelClient, AsyncKernelClient, ThreadedKernelClient])
def test_every_client_can_be_made_from_what_a_manager_says(encrypted: KernelManager, client: Any) -> None:
    """The documented ways: by the manager, from its information, from its connection file."""
    KubernetesProvisioner(parent=encrypted)
    keys = (encrypted.curve_publickey, encrypted.curve_secretkey)
    encrypted.client_factory = client
    info = encrypted.get_connection_info()
    json.dumps({**info, "key": ""})
    encrypted.write_connection_file()
    loaded, read = client(), client(connection_file=encrypted.connection_file)
    loaded.load_connection_info(info)
    read.load_connection_file()
    made = client(**encrypted.get_connection_info(session=True))
    for each in (made, loaded, read, encrypted.client()):
        assert (each.curve_publickey, each.curve_secretkey, each.shell_port) == (*keys, 1)
        assert each.session.key == encrypted.session.key
    encrypted.cleanup_connection_file()
