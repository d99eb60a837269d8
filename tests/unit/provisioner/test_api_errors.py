"""What people read when the API server says no, or nothing."""

import json
from typing import Any

import pytest

from kubernel_provisioner.api_errors import ApiStatusError, explain, unreachable
from kubernel_provisioner.errors import (
    ClusterError,
    CRDMissingError,
    NamespaceMissingError,
    NotPermittedError,
    RefusedError,
)
from kubernel_provisioner.login import ClusterKey

FORBIDDEN = 'kernelinstances.kubernel.dev is forbidden: User "system:serviceaccount:jhub:hub" cannot create resource'


def answer(status: int, reason: str, message: str, **details: Any) -> ApiStatusError:
    """As the API server sends it."""
    body = {"kind": "Status", "code": status, "reason": reason, "message": message, "details": details}
    return ApiStatusError.of(status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("error", "type_", "text"),
    [
        pytest.param(
            answer(401, "Unauthorized", "Unauthorized"),
            NotPermittedError,
            "Cannot start: the API server does not accept the credentials (401).\nUnauthorized\n"
            "Try: kubectl --context c auth whoami",
            id="credentials",
        ),
        pytest.param(
            answer(403, "Forbidden", FORBIDDEN, kind="kernelinstances", group="kubernel.dev"),
            NotPermittedError,
            f"Cannot start: not permitted (403).\n{FORBIDDEN}\n"
            "Try: kubectl --context c auth can-i --list -n jhub  (needed: kernelinstances.kubernel.dev)",
            id="rights",
        ),
        pytest.param(
            answer(403, "Forbidden", 'kernelinstances "k-1" is forbidden: exceeded quota: q', kind="kernelinstances"),
            RefusedError,
            "Cannot start: the API server refused (403 Forbidden).\n"
            'kernelinstances "k-1" is forbidden: exceeded quota: q\n'
            "Try: kubectl --context c describe resourcequota -n jhub",
            id="quota",
        ),
        pytest.param(
            answer(404, "NotFound", 'namespaces "jhub" not found', kind="namespaces", name="jhub"),
            NamespaceMissingError,
            "Cannot start: namespace 'jhub' does not exist.\n"
            "Set namespace in the provisioner's config or KUBERNEL_NAMESPACE, or create it.\n"
            "Try: kubectl --context c create namespace jhub",
            id="namespace",
        ),
        pytest.param(
            ApiStatusError.of(404, b"404 page not found\n"),
            CRDMissingError,
            "Cannot start: the cluster does not know kernelinstances.kubernel.dev.\n"
            "kubernel's operator and its CRD are not installed there.\n"
            "Try: helm install kubernel <the chart> --namespace kubernel --create-namespace",
            id="no CRD",
        ),
        pytest.param(
            answer(422, "Invalid", "spec.image: too long", kind="KernelInstance", name="k-1"),
            RefusedError,
            "Cannot start: the API server refused (422 Invalid).\nspec.image: too long\n"
            "Try: kubectl --context c explain kernel.spec",
            id="invalid",
        ),
        pytest.param(
            answer(404, "NotFound", 'secrets "s" not found', kind="secrets", name="s"),
            RefusedError,
            'Cannot start: the API server refused (404 NotFound).\nsecrets "s" not found\n'
            "Try: kubectl --context c get events -n jhub",
            id="another thing is missing",
        ),
    ],
)
def test_explain(error: ApiStatusError, type_: type[ClusterError], text: str) -> None:
    explained = explain(error, "start", ClusterKey(context="c"), "jhub")
    assert (type(explained), str(explained)) == (type_, text)


@pytest.mark.parametrize("body", [b"<html>502 Bad Gateway</html>", b"[]", b"\xff"])
def test_an_answer_that_is_no_status_object(body: bytes) -> None:
    error = ApiStatusError.of(502, body)
    assert (error.status, error.reason, error.details) == (502, "", {})


def test_unreachable() -> None:
    error = unreachable(ClusterKey(kubeconfig="/k"), "https://c:6443", OSError("Connection\n refused"))
    assert str(error) == (
        "Cannot reach the Kubernetes API server at https://c:6443.\nConnection refused\n"
        "Try: kubectl --kubeconfig /k cluster-info"
    )
