"""``kubernel console``: jupyter console for a connection file, also of a kernel whose messages are encrypted.

``jupyter console --existing FILE`` reads the keys (jupyter_client 8.10), gives its client none, and waits for ever.
"""

from __future__ import annotations

from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient

from kubernel_provisioner.encryption import KEYS
from kubernel_provisioner.errors import ConfigurationError
from kubernel_provisioner.reach.socket_options import KernelsAfar


class Client(KernelsAfar, BlockingKernelClient):
    """One that has the keys of the connection file that its program has read."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in KEYS:
            setattr(self, name, getattr(self.parent, name, None))


def console(arguments: list[str]) -> None:
    """Runs jupyter console with these arguments, until its user leaves it.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        from jupyter_console.app import ZMQTerminalIPythonApp  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigurationError("jupyter console is not installed here.", "pip install jupyter-console") from error

    class Console(ZMQTerminalIPythonApp):  # type: ignore[misc]
        kernel_client_class = Client

    Console.launch_instance(arguments)
