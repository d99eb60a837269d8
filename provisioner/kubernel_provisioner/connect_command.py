"""``kubernel connect``: a connection file for a kernel that runs already, however it was started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir, secure_write

from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.connection import connection_info

from .api import Api
from .api_errors import ApiStatusError
from .errors import KernelFailedError, RefusedError
from .login import ClusterKey


async def read_connection_info(name: str, key: ClusterKey) -> dict[str, Any]:
    """Connection info of a running kernel.

    Raises:
        KubernelError: there is none of that name, it is not ready, or it may not be read.
    """
    api = await Api.open(key)
    try:
        instance = await api.read_instance(name)
        connection = _ready_connection(instance, f"{key.kubectl()} describe kernel {name} -n {api.namespace}")
        return connection_info(connection, await api.read_secret(connection["secretName"]))
    except ApiStatusError as error:
        if error.status == 404 and error.details.get("name") == name:
            command = f"{key.kubectl()} get kernels -n {api.namespace}"
            raise RefusedError(f"There is no kernel {name} in namespace {api.namespace}.", "", command) from error
        raise api.explain(error, f"read kernel {name}") from error
    finally:
        await api.close()


def _ready_connection(instance: dict[str, Any], command: str) -> dict[str, Any]:
    status = instance.get("status") or {}
    if not is_true(status, ConditionType.READY):
        reason = str(status.get("reason") or "")
        name = instance["metadata"]["name"]
        raise KernelFailedError(
            f"Kernel {name} is not ready: {reason}.", str(status.get("message") or ""), command, reason=reason
        )
    return dict(status["connection"])


def write_connection_file(info: dict[str, Any], path: Path) -> None:
    """Writes connection info as Jupyter's clients read it, for the user's eyes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with secure_write(str(path)) as file:
        json.dump({**info, "key": info["key"].decode()}, file, indent=2)


def default_path(name: str) -> Path:
    """Where Jupyter's clients look for connection files."""
    return Path(jupyter_runtime_dir()) / f"kernel-{name}.json"
