"""``kubernel connect``: a connection file for a kernel that runs already, however it was started."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir, secure_write

from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.connection import connection_info
from kubernel_cluster.errors import ApiError
from kubernel_cluster.login import ClusterKey, kubeconfig_path
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.errors import ConfigurationError, KernelFailedError
from kubernel_provisioner.reach.route import Route, find_route

from .kernels import read_kernel


@dataclass
class Vantage:
    """A cluster as seen from this command."""

    api: Api
    is_around: bool
    direct: bool | None = None


async def connect(name: str, key: ClusterKey, access: str, path: Path, say: Callable[[str], None]) -> None:
    """Writes a connection file for a running kernel, once the kernel has answered along the way that it names.

    When that way leads through the API server, it lasts as long as this call: until it is cancelled.

    Args:
        name: of the KernelInstance.
        key: which cluster.
        access: auto, direct or port-forward.
        path: of the file.
        say: takes lines for the user.

    Raises:
        KubernelError: there is no kernel of that name, it is not ready, may not be read, or cannot be reached.
    """
    api, route = await Api.open(key), Route()
    vantage = Vantage(api, is_around=kubeconfig_path(key) is None)
    try:
        connection, pod = await _read(api, name)
        direct = connection_info(connection, await _read_secret(api, name, connection["secretName"]))
        await find_route(route, access, vantage, direct, lambda: pod)
        write_connection_file(route.info(direct), path)
        # jupyter console leaves the keys of an encrypted connection in the file, and waits for ever.
        program = "kubernel console" if "curve_publickey" in direct else "jupyter console --existing"
        say(f"Wrote {path}\nTry: {program} {shlex.quote(str(path))}")
        if route.forward is not None:
            say("It leads through the API server, and ends with this command (Ctrl-C).")
            await asyncio.Event().wait()
    finally:
        await route.close()
        await api.close()


async def _read(api: Api, name: str) -> tuple[dict[str, Any], str]:
    """``status.connection``, and the pod's name."""
    instance = await read_kernel(api, name)
    connection = _ready_connection(instance, f"{api.key.kubectl()} describe kernel {name} -n {api.namespace}")
    return connection, str(instance["status"].get("podName") or "")


async def _read_secret(api: Api, name: str, secret: str) -> dict[str, str]:
    try:
        return await api.read_secret(secret)
    except ApiError as error:
        raise api.explain(error, f"read the key of kernel {name}") from error


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
    """Writes connection info as Jupyter's clients read it, for the user's eyes only.

    Raises:
        ConfigurationError: no file can be its owner's alone there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with secure_write(str(path)) as file:
            json.dump({**info, "key": info["key"].decode()}, file, indent=2)
    except RuntimeError as error:
        raise ConfigurationError("The connection file cannot be written.", f"{error} --file: another place.") from error


def default_path(name: str) -> Path:
    """Where Jupyter's clients look for connection files."""
    return Path(jupyter_runtime_dir()) / f"kernel-{name}.json"
