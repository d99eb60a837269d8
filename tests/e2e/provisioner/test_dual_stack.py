"""Pods and Services with addresses of IPv4 and of IPv6: `KUBERNEL_IP_FAMILIES=IPv4,IPv6 make cluster`."""

from collections.abc import Callable

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import connected, run, until_ended
from fixtures.kubectl import Kubectl

Make = Callable[..., AsyncKernelManager]


@pytest.fixture(autouse=True)
def dual_stack(kubectl: Kubectl) -> None:
    if not any(":" in address for address in kubectl.node_addresses()):
        pytest.skip("this cluster's nodes have addresses of one family")


@pytest.mark.parametrize("service", ["ClusterIP", "None"])
async def test_a_kernel_is_reached_by_the_first_of_its_addresses(
    pod_network: None,
    make_manager: Make,
    monkeypatch: pytest.MonkeyPatch,
    kubectl: Kubectl,
    namespace: str,
    service: str,
) -> None:
    """Also after a restart in place, and when another pod has taken its pod's place."""
    monkeypatch.setenv("KUBERNEL_SERVICE", service)
    here, manager = kubectl.within(namespace), make_manager()
    await manager.start_kernel()
    async with connected(manager) as client:
        assert await run(client, "print(1)") == "1\n"
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
    pod = here.only("pods")
    first, second = (each["ip"] for each in pod["status"]["podIPs"])
    assert "." in first
    assert ":" in second
    connection = here.only("kernels")["status"]["connection"]
    assert connection["podIP"] == first
    assert "." in connection["ip"]
    here("delete", "pod", pod["metadata"]["name"], "--wait=false", "--grace-period=1")
    await until_ended(manager)
    await manager.restart_kernel(now=True)
    async with connected(manager) as client:
        assert await run(client, "print(2)") == "2\n"
