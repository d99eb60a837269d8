"""An API server of a few lines: enough for a client to talk to, and it does as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fixtures.fake_api_server import (
    INSTANCES,
    KERNEL,
    LEASE,
    LEASES,
    NAMESPACE,
    SECRET,
    SECRETS,
    FakeApiServer,
    HereAndNow,
    instance,
    listing,
)
from fixtures.kernel_pod import KEY, Pod
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner import provisioner as provisioner_module
from kubernel_provisioner.cluster.api import Api
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster, shared_cluster
from kubernel_provisioner.launch import launching, remote_kernel
from kubernel_wire.keys import ConnectionKeys


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    """A fake API server that listens."""
    fake = FakeApiServer()
    async with fake.listening():
        yield fake


@pytest.fixture
def write_kubeconfig(tmp_path: Path) -> Callable[..., ClusterKey]:
    """Writes a kubeconfig for an API server at 127.0.0.1, and returns the key for it."""

    def write(port: int, token: str = "t0ken") -> ClusterKey:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return ClusterKey(kubeconfig=str(path), found=str(path))

    return write


@pytest.fixture
def key(server: FakeApiServer, write_kubeconfig: Callable[..., ClusterKey]) -> ClusterKey:
    """Leads to the fake API server."""
    return write_kubeconfig(server.port)


@pytest.fixture
async def api(key: ClusterKey) -> AsyncIterator[Api]:
    """A client of the fake API server."""
    api = await Api.open(key)
    yield api
    await api.close()


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    """Where the product's own work runs: the test's loop."""
    background = HereAndNow()
    yield background
    await background.close()


@pytest.fixture
def usual(server: FakeApiServer) -> None:
    """What an API server answers when a client opens a namespace and closes it."""
    server.answers["POST", LEASES] = [(201, {})]
    server.answers["GET", INSTANCES] = [listing(1)]
    server.answers["DELETE", LEASE] = [(200, {})]


@pytest.fixture
async def cluster(key: ClusterKey, server: FakeApiServer, background: Background, usual: None) -> Cluster:
    """The fake API server's namespace, opened."""
    cluster = await shared_cluster(key, background)
    server.requests.clear()
    return cluster


@pytest.fixture
async def pod() -> AsyncIterator[Pod]:
    """The pod of k-1."""
    pod = Pod()
    await pod.start()
    yield pod
    await pod.close()


@pytest.fixture
async def provisioner(
    key: ClusterKey,
    server: FakeApiServer,
    background: Background,
    pod: Pod,
    usual: None,
    monkeypatch: pytest.MonkeyPatch,
) -> KubernetesProvisioner:
    """One whose kernel is ready as soon as it is asked for."""
    monkeypatch.setattr(provisioner_module, "background", lambda: background)
    monkeypatch.setattr(launching, "SECRET_READ_SECONDS", 0)
    server.answers["POST", INSTANCES] = [(201, instance(**pod.status()))]
    monkeypatch.setattr(remote_kernel, "new_keys", lambda encrypted: ConnectionKeys(KEY.decode()))
    server.answers["POST", SECRETS] = [(201, {})]
    server.answers["GET", SECRET] = [(200, pod.secret())]
    server.answers["PATCH", KERNEL] = [(200, instance(version=6, **pod.status(restart=1)))]
    server.answers["DELETE", KERNEL] = [(200, {})]
    server.answers["GET", KERNEL] = [(200, instance(**pod.status()))]
    server.forwards = pod.forwards()
    return KubernetesProvisioner(kubeconfig=key.kubeconfig, kernel_id="1", access="direct")


@pytest.fixture
async def running(provisioner: KubernetesProvisioner, server: FakeApiServer) -> KubernetesProvisioner:
    """One whose kernel runs."""
    await provisioner.launch_kernel([])
    server.requests.clear()
    return provisioner


@pytest.fixture
def listeners(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Server]:
    """Everything that begins to listen on local ports."""
    started, start_server = [], asyncio.start_server

    async def start(*args: object, **kwargs: object) -> asyncio.Server:
        started.append(await start_server(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(asyncio, "start_server", start)
    return started
