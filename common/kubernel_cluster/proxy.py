"""Which HTTP proxy leads to an API server, as kubectl reads HTTPS_PROXY and NO_PROXY. Pure.

NO_PROXY has no standard. Go's rules (``golang.org/x/net/http/httpproxy``) are the ones that people who run Kubernetes
have written theirs for: networks, ports, ``*`` and, unlike urllib's and requests', never a proxy for loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy for requests to ``url``, as a URL; None when they go there directly."""
    target = urlsplit(url)
    proxy = _variable(environ, f"{target.scheme}_proxy")
    port = target.port or DEFAULT_PORTS.get(target.scheme)
    if not proxy or not target.hostname or port is None:
        return None
    if bypasses(target.hostname, port, _variable(environ, "no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def bypasses(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY, or common sense, keeps requests to that host and port from the proxy."""
    host = host.lower()
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_matches(entry, host, address, port) for entry in entries if entry)


def _matches(entry: str, host: str, address: Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _is_in(address, entry)
    name, wanted = _split_port(entry)
    if wanted not in (None, port):
        return False
    if (listed := _address(name)) is not None:
        return address == listed
    if name.startswith("*."):
        name = name[1:]
    if name.startswith("."):  # names below the domain, and not the domain itself
        return host.endswith(name)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``[v6]:port`` or a bare v6 address, which is all colons."""
    name, _, port = entry.rpartition(":")
    if name and port.isdecimal() and (":" not in name or name.startswith("[")):
        return name.strip("[]"), int(port)
    return entry.strip("[]"), None


def _is_in(address: Address, network: str) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _variable(environ: Mapping[str, str], name: str) -> str:
    """Go reads the upper case name first."""
    return environ.get(name.upper()) or environ.get(name) or ""
