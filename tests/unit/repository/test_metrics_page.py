"""docs/reference/metrics.md lists the metrics that the operator has, with their types and labels."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from kubernel_operator import metrics

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
Row = tuple[str, str, tuple[str, ...]]


def in_the_code() -> set[Row]:
    """Name, type and labels of each metric."""
    rows = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            suffix = "_total" if metric._type == "counter" else ""
            rows.add((f"{metric._name}{suffix}", metric._type, tuple(metric._labelnames)))
    return rows


def on_the_page() -> set[Row]:
    """The rows of its table."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines() if "|" in line]
    return {
        (name.strip("`"), kind, tuple(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in cells
        if name.startswith("`")
    }


def test_each_metric_is_on_the_page_as_it_is() -> None:
    assert on_the_page() == in_the_code()
