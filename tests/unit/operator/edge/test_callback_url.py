"""The address that pods are given."""

import pytest

from kubernel_operator.edge.callback_url import resolved


@pytest.mark.parametrize(
    ("url", "given"),
    [
        pytest.param(
            "http://localhost:8443/v1/callback",
            "http://127.0.0.1:8443/v1/callback http://localhost:8443/v1/callback",
            id="a name: pods need no DNS, unless the address changes",
        ),
        pytest.param("http://localhost/c", "http://127.0.0.1:80/c http://localhost/c", id="no port: that of http"),
        pytest.param("http://no-such.invalid/c", "http://no-such.invalid/c", id="a name that nobody knows now"),
        pytest.param("http://10.0.0.7:8443/v1/callback", "http://10.0.0.7:8443/v1/callback", id="an address"),
        pytest.param("http://[::1]:8443/v1/callback", "http://[::1]:8443/v1/callback", id="an address of IPv6"),
    ],
)
async def test_resolved(url: str, given: str) -> None:
    assert await resolved(url) == given
