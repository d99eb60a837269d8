"""Loads a kubeconfig with the official client's loader.

Imports the kubernetes package, which takes the better part of a second; ``log_in`` imports this when it is needed.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio.config.kube_config import FileOrData, KubeConfigLoader, KubeConfigMerger

from .errors import NoLoginError
from .exec_plugin import run_plugin

# What in a kubeconfig's user stands for credentials.
CREDENTIALS = frozenset(
    {"exec", "token", "tokenFile", "auth-provider", "client-certificate", "client-certificate-data", "username"}
)


async def load(path: str, context: str | None, configuration: Any) -> tuple[str, str | None, float | None]:
    """Fills ``configuration``; returns the context, its namespace, and the seconds for which the credentials are good.

    Raises:
        NoLoginError: the credentials that it names cannot be had. Never without any: the API server takes such
            requests for those of ``system:anonymous``, and says 403 to all that follow.
    """
    merged = _merged(path)
    loader: Any = Loader(merged, active_context=context, config_base_path=None)  # type: ignore[no-untyped-call]
    await loader.load_and_set(configuration)
    user = loader.user
    if CREDENTIALS & user.keys() and not (configuration.api_key.get("BearerToken") or configuration.cert_file):
        named = ", ".join(sorted(CREDENTIALS & user.keys()))
        raise NoLoginError(f"the kubeconfig {path} names credentials ({named}) that hold nothing")
    used = loader.current_context
    return used["name"], used["context"].get("namespace"), loader.lifetime


def _merged(path: str) -> Any:
    try:
        merged = KubeConfigMerger(path).config  # type: ignore[no-untyped-call]
    except (TypeError, AttributeError) as error:
        raise NoLoginError(f"the kubeconfig {path} cannot be used", "It is empty, or no YAML mapping.") from error
    if merged is None:
        raise NoLoginError(f"there is no kubeconfig at {path}")
    return merged


class Loader(KubeConfigLoader):
    """The official loader, but for ``exec``, which fails with words here.

    Attributes:
        lifetime: seconds for which a command's credentials are good; None when it did not say, or there is none.
    """

    lifetime: float | None = None

    @property
    def user(self) -> dict[str, Any]:
        """The context's user as the kubeconfig has it."""
        return dict(getattr(self._user, "value", self._user) or {})

    async def load_from_exec_plugin(self) -> bool:
        """Called by the official loader for ``exec``."""
        user: Any = self._user
        cluster: Any = self._cluster
        status = await run_plugin(self.user["exec"], dict(cluster.value), os.path.dirname(user.path or ""))  # noqa: PTH120
        if status.get("token"):
            self.token = f"Bearer {status['token']}"
        if status.get("clientCertificateData"):
            self.cert_file, self.key_file = (_file(status, "clientCertificateData"), _file(status, "clientKeyData"))
        if status.get("expirationTimestamp"):
            ends = datetime.fromisoformat(status["expirationTimestamp"])
            self.lifetime = (ends - datetime.now(UTC)).total_seconds()
        return True


def _file(status: dict[str, Any], name: str) -> Any:
    return FileOrData(status, None, data_key_name=name, base64_file_content=False).as_file()  # type: ignore[no-untyped-call]
