"""The end of a server, in good order and without."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.kubectl import Kubectl
from fixtures.waiting import wait_until

from .conftest import HostServer, StartServer

# The Lease lasts 60 s in tests, and the operator asks twice, 20 s apart, before it believes in its end.
ORPHAN_SECONDS = 120.0


def test_sigterm(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    """As ``kubectl delete pod`` ends a server: its kernels and its Lease are gone when it is."""
    server.start_kernel()
    assert server.stop(signal.SIGTERM) == 0
    assert kubectl.within(namespace).items("kernels,leases") == []


def test_sigkill(server: HostServer, kubectl: Kubectl, namespace: str) -> None:
    """Its Lease runs out, and the operator deletes its kernels; the Lease itself minutes later."""
    here = kubectl.within(namespace)
    server.start_kernel()
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    assert [found["kind"] for found in here.items("kernels,leases")] == ["KernelInstance", "Lease"]
    wait_until("no kernels", lambda: here.items("kernels") == [], seconds=ORPHAN_SECONDS)


def test_sigterm_while_a_kernel_starts(start_server: StartServer, kubectl: Kubectl, namespace: str) -> None:
    """There is no node for it. The server does not know it yet, and the request for it is lost with the server."""
    server = start_server(env={"KUBERNEL_NODE_SELECTOR": "no-such-label=true"})
    here = kubectl.within(namespace)
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(server.start_kernel)
        wait_until("a kernel", lambda: here.items("kernels"), seconds=30)
        assert server.stop(signal.SIGTERM) == 0
        with pytest.raises(OSError, match=r"closed|reset"):
            start.result()
    assert here.items("kernels,leases") == []
