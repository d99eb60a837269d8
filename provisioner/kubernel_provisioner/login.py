"""Finds the cluster: explicit kubeconfig, else as kubectl does, else the pod's own service account."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import ConfigurationError

# Not from the kubernetes package: importing it takes the better part of a second.
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class ClusterKey:
    """Which cluster and namespace; the unset parts are found out by ``login``."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None

    def kubectl(self) -> str:
        """The kubectl command with the flags that make it use the same cluster."""
        flags = [
            f" --kubeconfig {self.kubeconfig}" if self.kubeconfig else "",
            f" --context {self.context}" if self.context else "",
        ]
        return "kubectl" + "".join(flags)


@dataclass(frozen=True)
class Login:
    """How to reach a cluster.

    Args:
        configuration: a ``kubernetes.aio.client.Configuration``.
        namespace: the one that was asked for, else the context's or the pod's own, else "default".
    """

    configuration: Any
    namespace: str


def in_cluster() -> bool:
    """Whether this process runs in a pod that has a service account."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and (_ACCOUNT / "token").exists()


def kubeconfig_path(key: ClusterKey) -> str | None:
    """The kubeconfig in use, found as kubectl finds it, or None for the pod's own account."""
    if key.kubeconfig:
        return str(Path(key.kubeconfig).expanduser())
    if os.environ.get("KUBECONFIG"):
        return os.environ["KUBECONFIG"]
    default = Path.home() / ".kube" / "config"
    return str(default) if default.exists() or not in_cluster() else None


async def login(key: ClusterKey) -> Login:
    """Reads credentials; runs an exec plugin if the kubeconfig names one.

    Raises:
        ConfigurationError: there is no kubeconfig, or it cannot be used.
    """
    from kubernetes.aio.client import Configuration

    # With trust_env aiohttp looks into the user's netrc before each request, in a thread. Proxies: see _with_proxy.
    configuration = Configuration(client_session_kwargs={"trust_env": False})
    path = kubeconfig_path(key)
    if path is None:
        return _with_proxy(_from_account(key, configuration))
    if not _exists(path):
        raise ConfigurationError(
            f"No cluster is configured: there is no kubeconfig at {path}.",
            "Set kubeconfig in the provisioner's config, KUBERNEL_KUBECONFIG or KUBECONFIG.",
            "kubectl config view",
        )
    try:
        return _with_proxy(await _from_kubeconfig(key, path, configuration))
    except Exception as error:  # the loader raises whatever a malformed file leads it to
        raise ConfigurationError(
            f"The kubeconfig {path} cannot be used.", _one_line(error), f"{key.kubectl()} config get-contexts"
        ) from error


def _from_account(key: ClusterKey, configuration: Any) -> Login:
    from kubernetes.aio.config import load_incluster_config

    load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return Login(configuration, key.namespace or (_ACCOUNT / "namespace").read_text().strip())


async def _from_kubeconfig(key: ClusterKey, path: str, configuration: Any) -> Login:
    from kubernetes.aio.config import load_kube_config

    _leave_files_to_the_parent()
    loader = await load_kube_config(  # type: ignore[no-untyped-call]
        config_file=path, context=key.context, client_configuration=configuration, persist_config=False
    )
    context = loader.current_context["context"]
    return Login(configuration, key.namespace or context.get("namespace") or "default")


@functools.cache
def _leave_files_to_the_parent() -> None:
    """The kubernetes package writes a kubeconfig's certificates to files, remembers them, and deletes them at exit.

    A forked child that ends by sys.exit would do so, too, and its parent could not log in any more.
    """
    from kubernetes.aio.config import kube_config

    os.register_at_fork(after_in_child=lambda: getattr(kube_config, "_temp_files", {}).clear())


def _with_proxy(granted: Login) -> Login:
    """With the proxy that HTTPS_PROXY and NO_PROXY ask for, unless the kubeconfig names one."""
    url = urlsplit(granted.configuration.host)
    if not granted.configuration.proxy and url.hostname and not proxy_bypass(url.hostname):
        granted.configuration.proxy = getproxies().get(url.scheme)
    return granted


def _exists(path: str) -> bool:
    return any(Path(part).expanduser().is_file() for part in path.split(os.pathsep) if part)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
