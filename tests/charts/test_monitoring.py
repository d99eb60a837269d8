"""Alerts and dashboard ask for metrics that the operator has."""

import json
import re
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from kubernel_operator import metrics

from .conftest import CHART, Object

VALUES = CHART / "ci" / "monitoring-values.yaml"
Find = Callable[..., Object]


def known_series() -> set[str]:
    """Names of all series that the operator's metrics have."""
    registry = CollectorRegistry()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            registry.register(metric)
    samples = {"": "", "counter": "_total", "histogram": "_bucket"}
    families = [(family.name, family.type) for family in registry.collect()]
    return {name + samples.get(kind, "") for name, kind in families} | {
        f"{name}{suffix}" for name, kind in families if kind == "histogram" for suffix in ("_count", "_sum")
    }


def used_series(expressions: Iterable[str]) -> set[str]:
    return {name for expression in expressions for name in re.findall(r"\bkubernel_\w+", expression)}


def test_alerts(find: Find) -> None:
    rule = find("PrometheusRule", "kubernel", VALUES)
    expressions = [each["expr"] for group in rule["spec"]["groups"] for each in group["rules"]]
    assert used_series(expressions) <= known_series()
    own = 'namespace="system", service="kubernel-metrics"'
    assert [expression for expression in expressions if own not in expression] == []


def test_dashboard(find: Find) -> None:
    dashboard = json.loads(find("ConfigMap", "kubernel-dashboard", VALUES)["data"]["kubernel.json"])
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = used_series(expressions)
    assert used <= known_series()
    assert {name.rsplit("_", 1)[0] for name in known_series()} <= {name.rsplit("_", 1)[0] for name in used}


def test_service_monitor_selects_the_metrics_service_only(find: Find) -> None:
    selector = find("ServiceMonitor", "kubernel", VALUES)["spec"]["selector"]["matchLabels"].items()
    assert selector <= find("Service", "kubernel-metrics", VALUES)["metadata"]["labels"].items()
    assert not selector <= find("Service", "kubernel-callbacks", VALUES)["metadata"]["labels"].items()
