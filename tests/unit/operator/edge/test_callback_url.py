"""The address that pods are given."""

import pytest

from kubernel_operator.edge.callback_url import resolved


@pytest.mark.parametrize(
    ("url", "given"),
    [
        pytest.param(
            "http://localhost:8443/v1/callback", "http://127.0.0.1:8443/v1/callback", id="a name: pods need no DNS"
        ),
        pytest.param("http://10.0.0.7:8443/v1/callback", "http://10.0.0.7:8443/v1/callback", id="an address"),
        pytest.param("http://localhost/v1/callback", "http://127.0.0.1:80/v1/callback", id="no port: that of http"),
        pytest.param("http://[::1]:8443/v1/callback", "http://[::1]:8443/v1/callback", id="none of that family"),
    ],
)
async def test_resolved(url: str, given: str) -> None:
    assert await resolved(url) == given
