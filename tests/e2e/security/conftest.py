"""A kernel made with kubectl, and who may talk to it."""

import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient

from fixtures.kernel_managers import START_SECONDS
from fixtures.kubectl import Kubectl, Object
from fixtures.waiting import wait_until
from kubernel_api.connection import connection_info


@pytest.fixture
def here(operator: object, pod_network: None, namespace: str, kubectl: Kubectl) -> Kubectl:
    return kubectl.within(namespace)


def start(here: Kubectl, name: str = "k", **spec: Any) -> Object:
    """Applies a KernelInstance; returns it once its address can be used: kube-proxy looks once a second."""
    here.apply(
        {"apiVersion": "kubernel.dev/v1beta1", "kind": "KernelInstance", "metadata": {"name": name}, "spec": spec}
    )
    here("wait", "--for=condition=Ready", f"kernel/{name}", f"--timeout={START_SECONDS}s")
    instance: Object = here.json("get", "kernel", name)
    connection = instance["status"]["connection"]
    wait_until("its address", lambda: connects(connection["ip"], connection["ports"]["hb"]), seconds=START_SECONDS)
    return instance


def connects(host: str, port: int) -> bool:
    """Whether a connection is accepted."""
    try:
        socket.create_connection((host, port), 0.3).close()
    except OSError:
        return False
    return True


def secret_of(here: Kubectl, instance: Object) -> dict[str, str]:
    """The data of its connection Secret, base64."""
    data: dict[str, str] = here.json("get", "secret", instance["status"]["connection"]["secretName"])["data"]
    return data


def info_of(here: Kubectl, instance: Object) -> dict[str, Any]:
    """Its connection info."""
    return connection_info(instance["status"]["connection"], secret_of(here, instance))


@contextlib.asynccontextmanager
async def client_of(info: dict[str, Any]) -> AsyncIterator[AsyncKernelClient]:
    """A client with that connection info, which may not be answered at all."""
    client = AsyncKernelClient()
    client.load_connection_info(info)
    # No heartbeat: its thread waits for ever to send to whom the kernel has turned away, and the end for the thread.
    client.start_channels(hb=False)
    try:
        yield client
    finally:
        client.stop_channels()


def claim(name: str) -> list[Object]:
    """Volumes of a KernelInstance: that PersistentVolumeClaim."""
    return [{"name": "v", "mountPath": "/v", "persistentVolumeClaim": {"claimName": name}}]


@dataclass(frozen=True)
class KubectlAs(Kubectl):
    """kubectl in somebody else's name."""

    impersonation: tuple[str, ...] = ()

    def __call__(self, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
        """As ``Kubectl``."""
        return super().__call__(*self.impersonation, *arguments, **how)


def as_user(kubectl: Kubectl, user: str, *groups: str) -> Kubectl:
    """kubectl in the name of a user with those groups."""
    who = (f"--as={user}", *(f"--as-group={group}" for group in (*groups, "system:authenticated")))
    return KubectlAs(kubectl.program, kubectl.kubeconfig, kubectl.namespace, impersonation=who)
