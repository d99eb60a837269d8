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
    """``url`` with its host as an IPv4 address; unchanged when it cannot be resolved now."""
    parts = urlsplit(url)
    try:
        port = parts.port or 80
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, family=socket.AF_INET)
    except OSError:
        return url
    return urlunsplit(parts._replace(netloc=f"{found[0][4][0]}:{port}"))


async def own_url(cluster: Cluster, port: int) -> str:
    """For an operator outside the cluster: the address of this machine that faces the API server's own address."""
    endpoints = await cluster.get(f"{paths.core('endpoints', 'default')}/kubernetes")
    address = endpoints["subsets"][0]["addresses"][0]["ip"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))  # sends nothing: it only asks for a route
        return f"http://{probe.getsockname()[0]}:{port}{PATH}"
