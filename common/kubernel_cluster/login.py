"""Finds the API server and the credentials for it: an explicit kubeconfig, else as kubectl does, else the pod's own.

Cheap to import: the kubernetes package, which takes the better part of a second, is imported by the first ``log_in``.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import NoLoginError
from .proxy import proxy_for

# In place of a kubeconfig's path: the pod's own ServiceAccount, whatever else is there.
IN_CLUSTER = "in-cluster"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class ClusterKey:
    """Which cluster and namespace; the unset parts are found out by ``log_in``.

    Args:
        kubeconfig: as it was asked for.
        context: of the kubeconfig.
        namespace: for all requests.
        found: where ``kubeconfig``, or what stands for none, led to when that was looked up; see ``found_kubeconfig``.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    found: str | None = None

    def kubectl(self) -> str:
        """The kubectl command with the flags that make it use the same cluster."""
        named = self.kubeconfig if self.kubeconfig != IN_CLUSTER else None
        flags = [
            f" --kubeconfig {shlex.quote(named)}" if named else "",
            f" --context {shlex.quote(self.context)}" if self.context else "",
        ]
        return "kubectl" + "".join(flags)


@dataclass(frozen=True)
class Login:
    """How to reach a cluster.

    Args:
        configuration: a ``kubernetes.aio.client.Configuration``.
        namespace: the one that was asked for, else the context's or the pod's own, else "default".
        context: the kubeconfig's context; None without one. Its user may have switched to another one by the time
            of the next login, which must not lead to another cluster.
        lifetime: seconds for which the credentials are good from now on; None when they do not tell.
        sources: the files that were read, kubeconfigs and certificates, and when each of them was changed last.
        headers: of every request, beside the credentials'.
    """

    configuration: Any
    namespace: str
    context: str | None = None
    lifetime: float | None = None
    sources: Mapping[str, float] | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_outdated(self) -> bool:
        """Whether a file was written since: another port after a restart of minikube, another authority."""
        return any(_changed(path) != when for path, when in (self.sources or {}).items())


def in_cluster() -> bool:
    """Whether this process runs in a pod that has a ServiceAccount."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and (ACCOUNT / "token").exists()


def kubeconfig_path(key: ClusterKey) -> str | None:
    """The kubeconfig in use, found as kubectl finds it, or None for the pod's own account."""
    if IN_CLUSTER in (key.kubeconfig, key.found):
        return None
    if key.found:
        return key.found
    if key.kubeconfig:
        return _expanded(key.kubeconfig)
    named = os.environ.get("KUBECONFIG")
    path = named or _expanded("~/.kube/config")
    if not in_cluster():
        return path
    if not (files := _files(path)):
        return named or None
    return path if key.context or _choose_a_cluster(files) else None


def _choose_a_cluster(files: list[str]) -> bool:
    """Whether kubeconfigs have a current context, or are none: what is wrong with them is said by who reads them."""
    try:
        return any((first_document(file) or {}).get("current-context") for file in files)
    except Exception:  # whatever a malformed file leads to
        return True


def first_document(file: str) -> Any:
    """What a YAML file holds, None for nothing; of several documents the first one, as kubectl does."""
    import yaml

    # libyaml's reads a kubeconfig of 500 clusters in a third of a second, Python's own in five, and all else stands
    # still.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with Path(file).open("rb") as text:  # of a file, yaml's errors quote nothing: it may be a secret
        return next(yaml.load_all(text, loader), None)


def found_kubeconfig(key: ClusterKey) -> str:
    """Whole paths of the kubeconfig in use, or IN_CLUSTER.

    For who logs in again later: the process may have gone to another folder by then, or have another KUBECONFIG, and
    must not find another cluster.
    """
    path = kubeconfig_path(key)
    if path is None:
        return IN_CLUSTER
    try:
        parts = [_expanded(part) for part in path.split(os.pathsep) if part]
        return os.pathsep.join(os.path.abspath(part) for part in parts)  # noqa: PTH100 - keeps links
    except FileNotFoundError:  # the folder that it is relative to is gone; so is the kubeconfig
        return path


async def log_in(key: ClusterKey) -> Login:
    """Reads credentials; runs the command for them if the kubeconfig names one.

    Raises:
        NoLoginError: there are none, or they cannot be used.
    """
    with _some_home():
        from kubernetes.aio.client import Configuration

    # With trust_env aiohttp looks into the user's netrc before each request, in a thread. Proxies: see _prepared.
    configuration = Configuration(client_session_kwargs={"trust_env": False})
    path = kubeconfig_path(key)
    if path is None:
        return _prepared(_from_account(key, configuration))
    files = _files(path)
    if not files:
        raise NoLoginError(
            f"there is no kubeconfig at {path}", "Set kubeconfig, KUBERNEL_KUBECONFIG or KUBECONFIG, or log in first."
        )
    return _prepared(await _from_kubeconfig(key, path, files, configuration))


def _from_account(key: ClusterKey, configuration: Any) -> Login:
    from kubernetes.aio.config import ConfigException, load_incluster_config

    if key.context and key.kubeconfig != IN_CLUSTER:  # kernels would run on another cluster than was asked for
        raise NoLoginError(
            f"there is no kubeconfig that has the context {key.context}",
            f"Set kubeconfig, KUBERNEL_KUBECONFIG or KUBECONFIG; {IN_CLUSTER!r} means this pod's own account.",
        )
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        namespace = key.namespace or (ACCOUNT / "namespace").read_text().strip()
    except (ConfigException, OSError) as error:
        raise NoLoginError("the pod's own ServiceAccount cannot be used", _one_line(error)) from error
    return Login(configuration, namespace)


async def _from_kubeconfig(key: ClusterKey, path: str, files: list[str], configuration: Any) -> Login:
    from .kubeconfig import load

    sources = {file: _changed(file) for file in files}
    _leave_files_to_the_parent()
    _forget_lost_files()
    try:
        loaded = await load(path, files, key.context, configuration)
    except NoLoginError:
        raise
    except Exception as error:  # the loader raises whatever a malformed file leads it to
        raise NoLoginError(f"the kubeconfig {path} cannot be used", _one_line(error)) from error
    lifetime = loaded.lifetime
    if lifetime is None:
        lifetime = lifetime_of(configuration.api_key.get("BearerToken") or "", time.time())
    namespace = key.namespace or loaded.namespace or "default"
    return Login(configuration, namespace, loaded.context, lifetime, sources, loaded.headers)


def _prepared(granted: Login) -> Login:
    configuration = granted.configuration
    # No limit: watches and port-forwards stay open, and would keep all else waiting.
    configuration.connection_pool_maxsize = 0
    # Python 3.13 is strict about extensions of certificates that kubectl does not ask for, and that clusters' own
    # authorities lack (EKS: kubernetes-client/python#2394). Chain, expiry and host name are checked all the same.
    configuration.disable_strict_ssl_verification = True
    if not configuration.proxy:
        configuration.proxy = proxy_for(configuration.host, os.environ)
    if configuration.proxy and not configuration.proxy.lower().startswith(("http://", "https://")):
        scheme = configuration.proxy.partition(":")[0]  # the rest may hold a password
        raise NoLoginError(
            f"the proxy for {configuration.host} cannot be used: it speaks {scheme}",
            "An http or https proxy is needed.",
        )
    # Who gave them to this machine or pod may give it others: a cluster's authority does not live for ever.
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    certificates = {file: _changed(file) for file in files if file}
    return replace(granted, sources={**(granted.sources or {}), **certificates})


def lifetime_of(authorization: str, now: float) -> float | None:
    """Seconds that a bearer token is still good for, if it is a JWT that tells.

    Args:
        authorization: with its scheme.
        now: Unix seconds.
    """
    parts = authorization.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"]) - now
    except (ValueError, KeyError, TypeError):
        return None


@functools.cache
def _leave_files_to_the_parent() -> None:
    """The kubernetes package writes a kubeconfig's certificates to files, remembers them, and deletes them at exit.

    A forked child that ends by sys.exit would do so, too, and its parent could not log in any more.
    """
    from kubernetes.aio.config import kube_config

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: getattr(kube_config, "_temp_files", {}).clear())


def _forget_lost_files() -> None:
    """What cleans up /tmp deletes such files after some days, and no login would find its certificates again."""
    from kubernetes.aio.config import kube_config

    files: dict[str, str] = getattr(kube_config, "_temp_files", {})
    for content in [content for content, file in files.items() if not Path(file).is_file()]:
        del files[content]


def _files(path: str) -> list[str]:
    """Those of KUBECONFIG's files that exist."""
    files = (_expanded(part) for part in path.split(os.pathsep) if part)
    return [file for file in files if Path(file).is_file()]


@contextmanager
def _some_home() -> Iterator[None]:
    """The kubernetes package looks for one when it is imported, and fails where there is none; see ``_expanded``."""
    has_home = _expanded("~") != "~"
    if not has_home:
        os.environ["HOME"] = os.sep
    try:
        yield
    finally:
        if not has_home:
            del os.environ["HOME"]


def _expanded(path: str) -> str:
    """With its ``~``, if there is a home: an account of which the machine knows no more than a number may have none."""
    return os.path.expanduser(path)  # noqa: PTH111 - pathlib's raises a RuntimeError there


def _changed(file: str) -> float:
    try:
        return Path(file).stat().st_mtime
    except OSError:
        return 0.0


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
