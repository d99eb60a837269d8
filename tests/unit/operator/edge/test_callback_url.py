"""The address that pods are given."""

from typing import Any

import pytest

from kubernel_operator.edge.callback_url import own_url, resolved


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


class ApiServerAt:
    """A cluster whose API server has this address."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def get(self, path: str) -> dict[str, Any]:
        return {"subsets": [{"addresses": [{"ip": self.address}]}]}


@pytest.mark.parametrize(("address", "host"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
async def test_own_url(address: str, host: str) -> None:
    given: Any = ApiServerAt(address)
    assert await own_url(given, 8443) == f"http://{host}:8443/v1/callback"
