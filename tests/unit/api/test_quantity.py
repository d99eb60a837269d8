"""Amounts are read as Kubernetes reads them: what we took for nothing would pass every bound."""

from decimal import Decimal

import pytest

from kubernel_api.quantity import amount


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param(2, 2, id="a number"),
        pytest.param("2", 2, id="whole"),
        pytest.param("500m", Decimal("0.5"), id="thousandths"),
        pytest.param("1.5Gi", 3 * 2**29, id="binary"),
        pytest.param("5.", 5, id="nothing after the point"),
        pytest.param(".5", Decimal("0.5"), id="nothing before it"),
        pytest.param("1E", 10**18, id="exa"),
        pytest.param("1E3", 1000, id="exponent"),
        pytest.param("1e+3", 1000, id="exponent with a sign"),
        pytest.param("+16Gi", 2**34, id="sign"),
        pytest.param("no amount", 0, id="the API server refuses it"),
    ],
)
def test_amount(text: int | str, number: Decimal | int) -> None:
    assert amount(text) == number
