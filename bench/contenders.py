"""Who starts against whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import kernelspecs
from bare_pod import BarePod
from jupyter_kernel import JupyterKernel
from notebook_server import PageKernel

from fixtures.host_server import HostServer
from kubernel_cluster.cluster import Cluster

Contender = BarePod | JupyterKernel | PageKernel

OURS_NONE, OURS_SERVICE = "ours, service None", "ours, service ClusterIP"
BARE, BARE_SERVICE, LOCAL = "bare pod", "bare pod + Service", "local kernel"
#: What a start of ours is compared with.
BASELINE = {OURS_NONE: BARE, OURS_SERVICE: BARE_SERVICE}
PAGE, PAGE_WITHOUT = "notebook page", "notebook page, no extension"
_SPEC_NONE, _SPEC_SERVICE = "bench-none", "bench-service"


def install_kernelspecs(prefix: Path, namespace: str, image: str) -> None:
    """Of the three Jupyter contenders."""
    for name, service in ((_SPEC_NONE, "None"), (_SPEC_SERVICE, "ClusterIP")):
        kernelspecs.install_ours(prefix, name, namespace, image, service=service)
    kernelspecs.install_local(prefix)


def contenders(cluster: Cluster, namespace: str, image: str) -> dict[str, Callable[[], Contender]]:
    """What makes a kernel of each kind, not started yet."""
    return {
        BARE: lambda: BarePod(cluster, namespace, image, service=False),
        OURS_NONE: lambda: JupyterKernel(_SPEC_NONE),
        BARE_SERVICE: lambda: BarePod(cluster, namespace, image, service=True),
        OURS_SERVICE: lambda: JupyterKernel(_SPEC_SERVICE),
        LOCAL: lambda: JupyterKernel(kernelspecs.LOCAL),
    }


def pages(with_extension: HostServer, without: HostServer) -> dict[str, Callable[[], Contender]]:
    """The same by way of a Jupyter server, with our extension and without it."""
    return {
        PAGE: lambda: PageKernel(with_extension, _SPEC_SERVICE),
        PAGE_WITHOUT: lambda: PageKernel(without, _SPEC_SERVICE),
    }
