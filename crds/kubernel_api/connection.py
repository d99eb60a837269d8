"""Jupyter connection info, from a KernelInstance's status and its connection Secret."""

from __future__ import annotations

import base64
from typing import Any

from .constants import SECRET_CURVE_PUBLICKEY, SECRET_CURVE_SECRETKEY, SECRET_KEY


def connection_info(connection: dict[str, Any], secret_data: dict[str, str]) -> dict[str, Any]:
    """Connection info in the types that jupyter_client checks: key bytes, ports int, curve keys str.

    Args:
        connection: ``status.connection`` of a KernelInstance that is Ready.
        secret_data: ``data`` of its Secret, base64 as the API server gives it.

    Source: jupyter_client 8.10 ``connect.py:_reconcile_connection_info`` refuses a str key, a missing signature scheme
    and bytes curve keys.
    """
    info: dict[str, Any] = {
        "transport": connection["transport"],
        "ip": connection["ip"],
        **{f"{name}_port": int(port) for name, port in connection["ports"].items()},
        "signature_scheme": connection["signatureScheme"],
        "key": base64.b64decode(secret_data[SECRET_KEY]),
    }
    # Keys that the kernel does not use are there, too, where encryption is Auto.
    if SECRET_CURVE_PUBLICKEY in secret_data and connection.get("encryption") != "Disabled":
        info["curve_publickey"] = base64.b64decode(secret_data[SECRET_CURVE_PUBLICKEY]).decode()
        info["curve_secretkey"] = base64.b64decode(secret_data[SECRET_CURVE_SECRETKEY]).decode()
    return info
