"""An administrator's defaults and a user's wishes. F10."""

from decimal import Decimal
from typing import Any

import pytest

from kubernel_api.quantity import amount
from kubernel_operator.build.defaults import merged_node_selector, merged_resources, merged_tolerations

DEFAULTS = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}


@pytest.mark.parametrize(
    ("asked", "result"),
    [
        pytest.param(None, DEFAULTS, id="nothing asked for"),
        pytest.param({}, DEFAULTS, id="nothing in particular"),
        pytest.param(
            {"requests": {"cpu": "30m"}},
            {"requests": {"cpu": "30m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
            id="F10: one request leaves the memory limit alone",
        ),
        pytest.param(
            {"limits": {"nvidia.com/gpu": 1}},
            {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi", "nvidia.com/gpu": 1}},
            id="a GPU",
        ),
        pytest.param(
            {"limits": {"memory": "256Mi"}},
            {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
            id="a limit below the default request",
        ),
        pytest.param(
            {"requests": {"memory": "4Gi"}},
            {"requests": {"cpu": "100m", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
            id="a request above the default limit",
        ),
        pytest.param(
            {"requests": {"memory": "1G"}, "limits": None},
            {"requests": {"cpu": "100m", "memory": "1G"}, "limits": {"memory": "2Gi"}},
            id="other units",
        ),
    ],
)
def test_merged_resources(asked: Any, result: Any) -> None:
    assert merged_resources(asked, DEFAULTS) == result
    assert DEFAULTS == {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}


def test_without_defaults() -> None:
    assert merged_resources(None, {}) == {}
    assert merged_resources({"limits": {"cpu": 1}}, {}) == {"limits": {"cpu": 1}}


def test_a_node_selector_cannot_be_taken_away() -> None:
    """It keeps kernels on the nodes that are for them."""
    merged = merged_node_selector({"gpu": "yes", "pool": "mine"}, {"pool": "kernels"})
    assert merged == {"gpu": "yes", "pool": "kernels"}
    assert merged_node_selector(None, {}) == {}


def test_tolerations_add_up() -> None:
    own, both = {"key": "gpu"}, {"key": "kernels"}
    assert merged_tolerations([own, both], [both]) == [own, both]
    assert merged_tolerations(None, [both]) == [both]


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        (1, "1"),
        ("1", "1"),
        ("0.5", "0.5"),
        ("500m", "0.5"),
        ("100n", "0.0000001"),
        ("1k", "1000"),
        ("1.5Gi", "1610612736"),
        ("2E", "2000000000000000000"),
        ("1e3", "1000"),
        ("1E-1", "0.1"),
        ("no amount", "0"),
    ],
)
def test_amount(quantity: Any, value: str) -> None:
    assert amount(quantity) == Decimal(value)
