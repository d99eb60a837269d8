"""What the API server's refusals mean, in two or three lines."""

from __future__ import annotations

import json
from typing import Any

from kubernel_api.constants import GROUP, PLURAL

from .errors import (
    ClusterError,
    ClusterUnreachableError,
    CRDMissingError,
    NamespaceMissingError,
    NotPermittedError,
    RefusedError,
)
from .login import ClusterKey


class ApiStatusError(Exception):
    """The API server answered with an error.

    Args:
        status: HTTP status.
        reason: the word in its ``Status`` object, e.g. AlreadyExists.
        message: its sentence.
        details: what it is about, ``{"name", "group", "kind"}`` as far as given.
    """

    def __init__(self, status: int, reason: str, message: str, details: dict[str, Any]) -> None:
        self.status, self.reason, self.message, self.details = status, reason, message, details
        super().__init__(f"{status} {reason}: {message}")

    @classmethod
    def of(cls, status: int, text: bytes) -> ApiStatusError:
        """From an answer's body: a ``Status`` object, or whatever a proxy in between says."""
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            body = {"message": text.decode(errors="replace")[:200]}
        return cls(
            int(body.get("code") or status),
            body.get("reason") or "",
            body.get("message") or "",
            body.get("details") or {},
        )


def explain(error: ApiStatusError, doing: str, key: ClusterKey, namespace: str) -> ClusterError:
    """The error that a person can act on.

    Args:
        error: the API server's answer.
        doing: what was tried, to follow "Cannot".
        key: for the command.
        namespace: where.
    """
    kubectl = key.kubectl()
    if error.status == 401:
        return NotPermittedError(
            f"Cannot {doing}: the API server does not accept the credentials (401).",
            error.message,
            f"{kubectl} auth whoami",
        )
    if error.status == 404 and error.details.get("kind") == "namespaces":
        return NamespaceMissingError(
            f"Cannot {doing}: namespace {namespace!r} does not exist.",
            "Set namespace in the provisioner's config or KUBERNEL_NAMESPACE, or create it.",
            f"{kubectl} create namespace {namespace}",
        )
    if error.status == 404 and not error.details.get("name"):
        return CRDMissingError(
            f"Cannot {doing}: the cluster does not know {PLURAL}.{GROUP}.",
            "kubernel's operator and its CRD are not installed there.",
            "helm install kubernel <the chart> --namespace kubernel --create-namespace",
        )
    if error.status == 403 and "exceeded quota" not in error.message:
        return NotPermittedError(
            f"Cannot {doing}: not permitted (403).", error.message, _can_i(error, kubectl, namespace)
        )
    command = f"{kubectl} {_more_about(error, namespace)}"
    return RefusedError(
        f"Cannot {doing}: the API server refused ({error.status} {error.reason}).", error.message, command
    )


def _more_about(error: ApiStatusError, namespace: str) -> str:
    if "exceeded quota" in error.message:
        return f"describe resourcequota -n {namespace}"
    return "explain kernel.spec" if error.status == 422 else f"get events -n {namespace}"


def _can_i(error: ApiStatusError, kubectl: str, namespace: str) -> str:
    kind, group = error.details.get("kind") or PLURAL, error.details.get("group")
    return f"{kubectl} auth can-i --list -n {namespace}  (needed: {kind}{'.' + group if group else ''})"


def unreachable(key: ClusterKey, host: str, error: BaseException) -> ClusterUnreachableError:
    """The error for an API server that does not answer."""
    text = " ".join(str(error).split()) or type(error).__name__
    return ClusterUnreachableError(
        f"Cannot reach the Kubernetes API server at {host}.", text[:200], f"{key.kubectl()} cluster-info"
    )
