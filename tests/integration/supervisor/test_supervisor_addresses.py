"""Ready is what answers at the pod's own address, of IPv4 or IPv6."""

from __future__ import annotations

import socket

import pytest

from fixtures.ipykernels import IPYKERNEL
from fixtures.supervisors import DEADLINE_SECONDS, Kernel, Operator, Supervise, has_ipv6


def test_kernel_that_listens_on_loopback_only_is_not_ready(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    container = supervise(kernel("INFO['ip'] = '127.0.0.1'; serve()"), operator=operator, pod_ips="127.0.0.2")
    told = operator.wait("starting", log=LOOPBACK)
    assert told["ip"] == "127.0.0.2"
    assert container.wait_for_output(f"kubernel: {LOOPBACK}").count("kubernel: ") == 1
    container.request("stop")
    assert operator.wait("exited")["log"] == ""
    assert "running" not in operator.states()


LOOPBACK = (
    "The kernel listens on 127.0.0.1 only, not on the pod's address 127.0.0.2;"
    " a kernel must listen on the `ip` of its connection file."
)


def test_kernel_that_listens_on_every_address_is_ready(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    supervise(kernel("serve()"), operator=operator, pod_ips="127.0.0.2,fd00::5")
    assert operator.wait("running")["ip"] == "127.0.0.2"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine's loopback: it is NOT tested here")
def test_pod_with_ipv6(supervise: Supervise, kernel: Kernel, operator: Operator) -> None:
    container = supervise(kernel("serve()"), operator=operator, pod_ips="::1", idleTimeoutSeconds=0.4)
    assert operator.wait("running")["ip"] == "::1"
    assert container.connection_file["ip"] == "::"
    with socket.create_connection(("::1", container.config["ports"]["shell"]), DEADLINE_SECONDS):
        while container.request("status")["age"] < 1:  # more than twice the timeout, as the supervisor counts it
            pass
    container.request("restart", generation=1)
    operator.wait("running", generation=1)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine's loopback: it is NOT tested here")
def test_ipykernel_cannot_listen_on_ipv6_and_it_is_said_why(supervise: Supervise, operator: Operator) -> None:
    supervise(IPYKERNEL, operator=operator, pod_ips="::1")
    lines = operator.wait("exited")["log"].splitlines()
    assert "No such device" in lines[-2]
    assert lines[-1] == (
        "This pod's address ::1 is of IPv6. A kernel has to listen on `::` here, and ipykernel (7.4) cannot:"
        " it needs pods whose first address is of IPv4."
    )


def test_a_kernel_that_fails_on_ipv4_is_told_nothing_of_the_kind(
    supervise: Supervise, kernel: Kernel, operator: Operator
) -> None:
    supervise(kernel("sys.exit(3)"), operator=operator)
    assert "IPv6" not in operator.wait("exited")["log"]
