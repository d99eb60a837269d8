"""HTTPS_PROXY and NO_PROXY, as kubectl reads them."""

import pytest

from kubernel_cluster.proxy import bypasses, proxy_for

PROXY = "http://proxy.example.org:3128"


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("10.96.0.1", "", False),
        ("10.96.0.1", "10.96.0.1", True),
        ("10.96.0.1", "10.96.0.2", False),
        ("10.96.0.1", "10.0.0.0/8", True),
        ("10.96.0.1", "10.96.0.7/16", True),
        ("10.96.0.1", "192.168.0.0/16, 10.0.0.0/8", True),
        ("10.96.0.1", "192.168.0.0/16", False),
        ("10.96.0.1", "10.0.0.0/99", False),
        ("10.96.0.1", "10.96.0.1:443", True),
        ("10.96.0.1", "10.96.0.1:6443", False),
        ("::ffff:10.96.0.1", "10.0.0.0/8", True),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "fd00::1", True),
        ("fd00::1", "[fd00::1]", True),
        ("fd00::1", "[fd00::1]:443", True),
        ("fd00::1", "[fd00::1]:6443", False),
        ("fd00::1", "10.0.0.0/8", False),
        ("api.example.org", "example.org", True),
        ("example.org", "example.org", True),
        ("api.example.org", ".example.org", True),
        ("example.org", ".example.org", False),
        ("api.example.org", "*.example.org", True),
        ("example.org", "*.example.org", False),
        ("notexample.org", "example.org", False),
        ("API.Example.org", "EXAMPLE.ORG", True),
        ("api.example.org", "example.org:443", True),
        ("api.example.org", "example.org:6443", False),
        ("api.example.org", "example.net, ,*", True),
        ("api.example.org", "10.0.0.0/8", False),
        ("api.example.org", ":443", False),
        ("kubernetes.default.svc", ".svc,.cluster.local", True),
        ("localhost", "", True),
        ("127.0.0.1", "", True),
        ("127.1.2.3", "", True),
        ("::1", "", True),
    ],
)
def test_bypasses(host: str, no_proxy: str, direct: bool) -> None:
    assert bypasses(host, 443, no_proxy) is direct


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("https://10.96.0.1", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://10.96.0.1", {"https_proxy": PROXY}, PROXY),
        ("https://10.96.0.1", {"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, PROXY),
        ("https://10.96.0.1", {"HTTPS_PROXY": "proxy.example.org:3128"}, PROXY),
        ("https://10.96.0.1", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, None),
        ("http://10.96.0.1", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://10.96.0.1", {}, None),
        ("https://10.96.0.1:6443", {"HTTPS_PROXY": PROXY, "no_proxy": "10.96.0.1:6443"}, None),
        ("https://10.96.0.1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.96.0.1:443"}, None),
        ("https://[fd00::1]:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "fd00::/8"}, None),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_proxy_for(url: str, environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environ) == proxy
