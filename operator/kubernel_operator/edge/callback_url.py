"""Where kernel pods reach this operator.

A host name is resolved here and not in each pod: a kernel's start should not wait for DNS, nor depend on it.
"""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit, urlunsplit

from kubernel_cluster import paths
from kubernel_cluster.cluster import Cluster

from .callback_server import PATH


async def resolved(url: str) -> str:
    """``url`` with its host's address, and after a space ``url`` itself: an address may go to somebody else.

    Just ``url`` when it cannot be resolved now, or has an address already.
    """
    parts = urlsplit(url)
    port = parts.port or 80
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError:
        return url
    address = min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][0]  # IPv4 where there are both
    by_address = urlunsplit(parts._replace(netloc=f"{_host(str(address))}:{port}"))
    return url if by_address == url else f"{by_address} {url}"


async def own_url(cluster: Cluster, port: int) -> str:
    """For an operator outside the cluster: the address of this machine that faces the API server's own address."""
    endpoints = await cluster.get(f"{paths.core('endpoints', 'default')}/kubernetes")
    address = endpoints["subsets"][0]["addresses"][0]["ip"]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))  # sends nothing: it only asks for a route
        return f"http://{_host(probe.getsockname()[0])}:{port}{PATH}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
