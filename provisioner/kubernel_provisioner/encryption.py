"""Whether channels are encrypted: what is asked for, and what the kernel manager of jupyter_client knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ConfigurationError

KEYS = ("curve_publickey", "curve_secretkey")


def wanted_encryption(option: str, policy: str | None) -> str:
    """``spec.connection.encryption``: what the option and the kernel manager ask for, as far as this process can.

    Args:
        option: the provisioner's: Auto, Curve or Disabled.
        policy: ``KernelManager.transport_encryption``: disabled (its default, which therefore means nothing), auto or
            required; None where jupyter_client or libzmq here cannot encrypt.

    Raises:
        ConfigurationError: encryption is asked for, and cannot be had.
    """
    if policy is None:
        if option == "Curve":
            raise ConfigurationError(
                "encryption is Curve, which this process cannot do.",
                "It needs jupyter_client 8.9 or newer, and a pyzmq with CurveZMQ.",
            )
        return "Disabled"
    return "Curve" if policy == "required" else option


def policy_of(manager: Any) -> str | None:
    """A kernel manager's; None where clients that are made here cannot encrypt."""
    import zmq

    return getattr(manager, "transport_encryption", None) if zmq.has("curve") else None


def forget_keys(manager: Any, info: Mapping[str, Any]) -> None:
    """Lets a manager forget the keys of an earlier kernel: it adds those that it is given, and takes none away."""
    if "curve_publickey" not in info and getattr(manager, "curve_publickey", None) is not None:
        manager.curve_publickey = manager.curve_secretkey = None


def hand_out_bytes(manager: Any) -> None:
    """Lets a manager's ``get_connection_info(session=True)``, which is for making clients, give keys as they take them.

    jupyter_client (8.9, 8.10) gives text there, as in a connection file, and the traits of its clients take only bytes:
    ``BlockingKernelClient(**manager.get_connection_info(session=True))`` fails. Its own ``client()`` converts them.
    """
    if not hasattr(manager, KEYS[0]) or "get_connection_info" in vars(manager):
        return
    plain = manager.get_connection_info

    def get_connection_info(session: bool = False) -> dict[str, Any]:
        info = plain(session=session)
        keys = {name: info[name].encode() for name in KEYS if session and isinstance(info.get(name), str)}
        return {**info, **keys}

    manager.get_connection_info = get_connection_info
