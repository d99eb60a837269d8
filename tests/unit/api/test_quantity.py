"""Amounts are read as Kubernetes reads them: what we took for nothing would pass every bound."""

from decimal import Decimal

import pytest

from kubernel_api.quantity import amount, whole


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
        pytest.param("1e9999999", 10**50, id="an exponent that no number has"),
        pytest.param("1e-9999999", Decimal(1).scaleb(-50), id="nor this one"),
        pytest.param("no amount", 0, id="the API server refuses it"),
    ],
)
def test_amount(text: int | str, number: Decimal | int) -> None:
    assert amount(text) == number


@pytest.mark.parametrize(
    ("resource", "asked", "written"),
    [
        pytest.param("cpu", "100.5m", "101m", id="a part of a thousandth"),
        pytest.param("cpu", "0.1", "0.1", id="whole thousandths"),
        pytest.param("cpu", 2, "2", id="a number"),
        pytest.param("memory", "0.3Gi", "322122548", id="a part of a byte"),
        pytest.param("memory", "1.5Gi", "1.5Gi", id="whole bytes"),
        pytest.param("memory", "1500m", "2", id="thousandths of a byte"),
        pytest.param("memory", "9" * 32, "9" * 32, id="more than there is"),
    ],
)
def test_what_kubernetes_need_not_round(resource: str, asked: int | str, written: str) -> None:
    assert whole(resource, asked) == written
