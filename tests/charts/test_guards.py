"""What the chart refuses although every single value is fine."""

import re

import pytest

from .conftest import CHART, PROMETHEUS_OPERATOR, Helm

GUARDS = {
    "no ServiceAccount at all": (
        ["serviceAccount.create=false"],
        "serviceAccount.create is false: serviceAccount.name must name the ServiceAccount to use",
    ),
    "watch and ignore": (
        ["watchNamespaces={a}", "ignoreNamespaces={b}"],
        "watchNamespaces and ignoreNamespaces exclude each other: name the namespaces to watch, or watch all but some",
    ),
    "subjects without namespaces": (
        ["clientRole.subjects[0].kind=User", "clientRole.subjects[0].name=jane"],
        "clientRole.subjects needs clientRole.namespaces: the namespaces where their kernels run",
    ),
    "client role beside the operator's key": (
        ["clientRole.namespaces={default}"],
        "clientRole.namespaces has the release's own namespace default: whoever may read Secrets there reads the "
        "operator's key, which speaks for every kernel of the cluster",
    ),
    "client role where nobody watches": (
        ["clientRole.namespaces={a}", "watchNamespaces={b}"],
        "clientRole.namespaces has a, which is not in watchNamespaces: no operator would look after kernels there",
    ),
    "pools without their CRD": (
        ["pools.science.namespace=kernels"],
        "pools need the CRD of KernelPools, which this cluster does not have yet: install without pools and "
        "add them with helm upgrade, or kubectl apply -f crds/ first and give helm --take-ownership",
    ),
    "templates without their CRD": (
        ["templates.gpu.description=GPUs"],
        "templates need the CRD of KernelTemplates, which this cluster does not have yet: install without "
        "templates and add them with helm upgrade, or kubectl apply -f crds/ first and give helm --take-ownership",
    ),
    "metrics on a port of the operator": (
        ["metrics.port=8443"],
        "metrics.port 8443 is taken by the operator itself: choose another one than 8081 and 8443",
    ),
    "peers without namespaces": (
        ["networkPolicy.enabled=true", "networkPolicy.kernels.allowFrom[0].podSelector.matchLabels.a=b"],
        "networkPolicy.kernels.allowFrom needs clientRole.namespaces or networkPolicy.kernels.namespaces: "
        "the namespaces where the kernels run",
    ),
    "callback URL of another path": (
        ["callback.url=http://operator/"],
        'callback.url must end in /v1/callback, not "http://operator/"',
    ),
    "ServiceMonitor without Prometheus operator": (
        ["metrics.serviceMonitor.enabled=true"],
        "metrics.serviceMonitor.enabled needs the Prometheus operator: this cluster has no monitoring.coreos.com/v1",
    ),
    "PrometheusRule without Prometheus operator": (
        ["metrics.prometheusRule.enabled=true"],
        "metrics.prometheusRule.enabled needs the Prometheus operator: this cluster has no monitoring.coreos.com/v1",
    ),
}


@pytest.mark.parametrize(("settings", "message"), GUARDS.values(), ids=GUARDS)
def test_guard(helm: Helm, settings: list[str], message: str) -> None:
    done = helm("template", str(CHART), *(f"--set={each}" for each in settings))
    assert done.returncode == 1
    assert message in done.stderr


def test_every_guard_has_a_test() -> None:
    assert len(re.findall(r"\bfail\b", (CHART / "templates" / "_guards.tpl").read_text())) == len(GUARDS)


def test_guards_are_silent_where_the_prometheus_operator_is(helm: Helm) -> None:
    done = helm("template", str(CHART), PROMETHEUS_OPERATOR, "--set=metrics.serviceMonitor.enabled=true")
    assert done.returncode == 0, done.stderr
