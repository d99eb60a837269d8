"""What people read when the API server says no, or nothing."""

from typing import Any

import pytest

from kubernel_cluster.errors import ApiError, ApiUnavailableError, NoLoginError
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.cluster.api_errors import busy, explain, no_login, unreachable
from kubernel_provisioner.errors import (
    ClusterError,
    CRDMissingError,
    NamespaceMissingError,
    NotPermittedError,
    RefusedError,
)

FORBIDDEN = 'kernelinstances.kubernel.dev is forbidden: User "system:serviceaccount:jhub:hub" cannot create resource'


def answer(status: int, reason: str, message: str, **details: Any) -> ApiError:
    """As the API server sends it."""
    return ApiError(status, reason, message, details)


@pytest.mark.parametrize(
    ("error", "type_", "text"),
    [
        pytest.param(
            answer(401, "Unauthorized", "Unauthorized"),
            NotPermittedError,
            "The API server does not accept the credentials (401): cannot start.\nUnauthorized\n"
            "Try: kubectl --context c auth whoami",
            id="credentials",
        ),
        pytest.param(
            answer(403, "Forbidden", FORBIDDEN, kind="kernelinstances", group="kubernel.dev"),
            NotPermittedError,
            "Not permitted (403): cannot start.\n"
            'kernelinstances.kubernel.dev is forbidden: User "system:serviceaccount:jhub:hub" cannot\ncreate resource\n'
            "Try: kubectl --context c auth can-i --list -n jhub (needed: kernelinstances.kubernel.dev)",
            id="rights",
        ),
        pytest.param(
            answer(403, "Forbidden", 'kernelinstances "k-1" is forbidden: exceeded quota: q', kind="kernelinstances"),
            RefusedError,
            "exceeded quota: q\nThe API server refused to start (403 Forbidden).\n"
            "Try: kubectl --context c describe resourcequota -n jhub",
            id="quota",
        ),
        pytest.param(
            answer(403, "Forbidden", 'kernelinstances "k-1" is forbidden: namespace jhub is being terminated'),
            RefusedError,
            "namespace jhub is being terminated\nThe API server refused to start (403 Forbidden).\n"
            "Try: kubectl --context c get events -n jhub",
            id="a namespace that is being deleted",
        ),
        pytest.param(
            answer(403, "Forbidden", 'admission webhook "gatekeeper" denied the request: no image of that registry'),
            RefusedError,
            'admission webhook "gatekeeper" denied the request: no image of that registry\n'
            "The API server refused to start (403 Forbidden).\nTry: kubectl --context c get events -n jhub",
            id="a policy",
        ),
        pytest.param(
            answer(403, "Unknown", "403 Forbidden nginx"),
            NotPermittedError,
            "Not permitted (403): cannot start.\n403 Forbidden nginx\n"
            "Try: kubectl --context c auth can-i --list -n jhub (needed: kernelinstances)",
            id="something on the way",
        ),
        pytest.param(
            answer(404, "Unknown", "404 Not Found nginx"),
            RefusedError,
            "404 Not Found nginx\nThe API server refused to start (404 Unknown).\n"
            "Try: kubectl --context c get events -n jhub",
            id="something else, elsewhere",
        ),
        pytest.param(
            answer(404, "NotFound", 'namespaces "jhub" not found', kind="namespaces", name="jhub"),
            NamespaceMissingError,
            "Namespace 'jhub' does not exist: cannot start.\n"
            "Set namespace in the provisioner's config or KUBERNEL_NAMESPACE, or create it.\n"
            "Try: kubectl --context c create namespace jhub",
            id="namespace",
        ),
        pytest.param(
            ApiError(404, "Unknown", "404 page not found"),
            CRDMissingError,
            "The cluster does not know kernelinstances.kubernel.dev: cannot start.\n"
            "kubernel's operator and its CRD are not installed there.\n"
            "Try: helm install kubernel <the chart> --namespace kubernel --create-namespace",
            id="no CRD",
        ),
        pytest.param(
            answer(422, "Invalid", "spec.image: too long", kind="KernelInstance", name="k-1"),
            RefusedError,
            "spec.image: too long\nThe API server refused to start (422 Invalid).\n"
            "Try: kubectl --context c explain kernel.spec",
            id="invalid",
        ),
        pytest.param(
            answer(404, "NotFound", 'secrets "s" not found', kind="secrets", name="s"),
            RefusedError,
            'secrets "s" not found\nThe API server refused to start (404 NotFound).\n'
            "Try: kubectl --context c get events -n jhub",
            id="another thing is missing",
        ),
    ],
)
def test_explain(error: ApiError, type_: type[ClusterError], text: str) -> None:
    explained = explain(error, "start", ClusterKey(context="c"), "jhub")
    assert (type(explained), str(explained)) == (type_, text)


def test_a_policy_that_says_all_that_it_knows() -> None:
    error = answer(422, "Invalid", f'kernelinstances "k-1" is invalid: {"word " * 2000}')
    assert len(str(explain(error, "start", ClusterKey(), "jhub"))) < 1300


def test_unreachable() -> None:
    error = unreachable(ClusterKey(kubeconfig="/k"), "https://c:6443", ApiUnavailableError("Connection refused"))
    assert str(error) == (
        "Cannot reach the Kubernetes API server at https://c:6443.\nConnection refused\n"
        "Try: kubectl --kubeconfig /k cluster-info"
    )


def test_busy() -> None:
    words = 'failed calling webhook "policy.example.org"'
    error = ApiUnavailableError("POST /x: 500", status=500, reason="InternalError", message=words)
    assert str(busy(ClusterKey(), "https://c:6443", error)) == (
        f"The Kubernetes API server at https://c:6443 cannot do it now (500 InternalError).\n{words}\n"
        "Try: kubectl get --raw '/readyz?verbose'"
    )


def test_no_login() -> None:
    error = NoLoginError("the kubeconfig's command `aws` failed (exit code 255)", "SSO session expired")
    assert str(no_login(error, ClusterKey(context="c"))) == (
        "Cannot log in to the Kubernetes cluster: the kubeconfig's command `aws` failed (exit code\n255).\n"
        "SSO session expired\nTry: kubectl --context c auth whoami"
    )
