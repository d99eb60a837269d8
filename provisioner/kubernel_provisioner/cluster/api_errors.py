"""What the API server's refusals mean, in a few lines, the cause first."""

from __future__ import annotations

import re
import textwrap

from kubernel_api.constants import GROUP, PLURAL
from kubernel_cluster.errors import ApiError, ApiUnavailableError, NoLoginError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.errors import (
    ClusterBusyError,
    ClusterError,
    ClusterUnreachableError,
    ConfigurationError,
    CRDMissingError,
    NamespaceMissingError,
    NotPermittedError,
    RefusedError,
)

# Policies may list all that they know.
WORDS_LIMIT = 1000


def explain(error: ApiError, doing: str, key: ClusterKey, namespace: str) -> ClusterError:
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
            f"The API server does not accept the credentials (401): cannot {doing}.",
            error.message,
            f"{kubectl} auth whoami",
        )
    if error.status == 404 and error.details.get("kind") == "namespaces":
        return NamespaceMissingError(
            f"Namespace {namespace!r} does not exist: cannot {doing}.",
            "Set namespace in the provisioner's config or KUBERNEL_NAMESPACE, or create it.",
            f"{kubectl} create namespace {namespace}",
        )
    if error.status == 404 and not error.details.get("name") and _is_api_servers(error):
        return CRDMissingError(
            f"The cluster does not know {PLURAL}.{GROUP}: cannot {doing}.",
            "kubernel's operator and its CRD are not installed there.",
            "helm install kubernel <the chart> --namespace kubernel --create-namespace",
        )
    if error.status == 403 and _is_about_rights(error.message):
        return NotPermittedError(
            f"Not permitted (403): cannot {doing}.", error.message, _can_i(error, kubectl, namespace)
        )
    why = f"The API server refused to {doing} ({error.status} {error.reason})."
    cause = textwrap.shorten(_cause(error.message), WORDS_LIMIT, placeholder=" ...")
    return RefusedError(cause or why, why, f"{kubectl} {_more_about(error, namespace)}")


def _is_api_servers(error: ApiError) -> bool:
    """Whether the API server says so, which for a path that it does not know has no more than this line."""
    return error.reason != "Unknown" or "page not found" in error.message


def _is_about_rights(message: str) -> bool:
    """Else it is about the object: a quota, a policy's or a webhook's word, a namespace that is being deleted."""
    cause = _cause(message)
    return cause.startswith('User "') or (cause == message and not message.startswith("admission webhook"))


def _cause(message: str) -> str:
    """What the API server says, without what it says it of: that is named beside it."""
    return re.sub(r'^\S+ ("[^"]*" )?is (forbidden|invalid): ', "", message)


def _more_about(error: ApiError, namespace: str) -> str:
    if "exceeded quota" in error.message:
        return f"describe resourcequota -n {namespace}"
    return "explain kernel.spec" if error.status == 422 else f"get events -n {namespace}"


def _can_i(error: ApiError, kubectl: str, namespace: str) -> str:
    kind, group = error.details.get("kind") or PLURAL, error.details.get("group")
    return f"{kubectl} auth can-i --list -n {namespace}  (needed: {kind}{'.' + group if group else ''})"


def unreachable(key: ClusterKey, host: str, error: ApiUnavailableError) -> ClusterUnreachableError:
    """The error for an API server that does not answer."""
    return ClusterUnreachableError(
        f"Cannot reach the Kubernetes API server at {host}.", error.message[:200], f"{key.kubectl()} cluster-info"
    )


def busy(key: ClusterKey, host: str, error: ApiUnavailableError) -> ClusterBusyError:
    """The error for an API server that answers, and carries nothing out."""
    return ClusterBusyError(
        f"The Kubernetes API server at {host} cannot do it now ({error.status} {error.reason}).",
        error.message[:500],
        f"{key.kubectl()} get --raw '/readyz?verbose'",
    )


def no_login(error: NoLoginError, key: ClusterKey) -> ConfigurationError:
    """The error for credentials that cannot be had."""
    return ConfigurationError(
        f"Cannot log in to the Kubernetes cluster: {error.what}.", error.why, f"{key.kubectl()} auth whoami"
    )
