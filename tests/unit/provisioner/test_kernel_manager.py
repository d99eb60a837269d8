"""Real kernel managers: what they do with a provisioner's answers, and what becomes of the kernel when they fail."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from jupyter_client.ioloop import AsyncIOLoopKernelManager
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from fixtures.fake_api_server import INSTANCES, KERNEL, SECRETS, FakeApiServer, failure, instance
from fixtures.kernel_pod import Pod
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import ConfigurationError, KubernelError


@pytest.fixture(params=[AsyncKernelManager, AsyncIOLoopKernelManager], ids=["plain", "with a restarter"])
def manager(
    request: pytest.FixtureRequest, provisioner: KubernetesProvisioner, pod: Pod, tmp_path: Path
) -> Iterator[AsyncKernelManager]:
    """One whose kernel counts as ended as soon as it is killed."""
    pod.answer = None
    manager = request.param(kernel_name="python3", connection_file=str(tmp_path / "kernel.json"))
    manager._kernel_spec = KernelSpec(argv=["python3", "-f", "{connection_file}"], language="python")
    manager.provisioner, provisioner.parent = provisioner, manager
    yield manager
    manager.stop_restarter()
    manager._close_control_socket()
    manager.context.destroy(linger=0)


def written_by(manager: AsyncKernelManager) -> dict[str, object]:
    """Its connection file."""
    return dict(json.loads(Path(manager.connection_file).read_text()))


async def end_process(background: Background, cluster: Cluster) -> None:
    """Without a shutdown."""
    background.shared.clear()
    await cluster.close()


async def test_a_start_a_restart_and_a_shutdown(manager: AsyncKernelManager, server: FakeApiServer, pod: Pod) -> None:
    def written() -> dict[str, object]:
        info = written_by(manager)
        return {name: info[name] for name in ("ip", "shell_port", "hb_port", "key")}

    here = {"ip": "127.0.0.1", "shell_port": 18881, "hb_port": pod.hb_port, "key": "k3y"}
    await manager.start_kernel()
    assert (await manager.is_alive(), written()) == (True, here)
    await manager.restart_kernel(now=True)
    assert (await manager.is_alive(), written()) == (True, here)
    await manager.shutdown_kernel(now=True)
    assert (await manager.is_alive(), manager.has_kernel) == (False, False)
    writes = [call for call in server.calls() if call[0] != "GET"]
    assert writes[1:] == [("POST", INSTANCES), ("POST", SECRETS), ("PATCH", KERNEL), ("DELETE", KERNEL)]


async def test_a_kernel_that_restarts_keeps_its_ports(
    manager: AsyncKernelManager, server: FakeApiServer, pod: Pod
) -> None:
    """A restarter forgets them, for new random ones: a client made meanwhile would connect to port 0 for ever."""
    await manager.start_kernel()
    ports = manager.ports
    server.gates["PATCH", KERNEL] = asyncio.Event()
    restarting = asyncio.create_task(manager.restart_kernel(now=True, newports=True))
    await server.asked("PATCH", KERNEL)
    client = manager.client()
    written = written_by(manager)
    assert (manager.ports, written["shell_port"], client.shell_port) == (ports, 18881, 18881)
    assert client.session.key == manager.session.key == b"k3y"
    server.gates["PATCH", KERNEL].set()
    await restarting
    assert manager.ports == ports


def dead_calls(manager: AsyncKernelManager) -> list[bool]:
    """What a server is told when a kernel is dead for good."""
    told: list[bool] = []
    manager.add_restart_callback(lambda: told.append(True), "dead")
    return told


async def test_a_restart_that_fails_for_good(manager: AsyncKernelManager, server: FakeApiServer, pod: Pod) -> None:
    """jupyter_client tells nobody: a server would list the kernel as starting for ever."""
    await manager.start_kernel()
    dead = dead_calls(manager)
    stalled = {"conditions": [{"type": "Stalled", "status": "True"}], "reason": "Forbidden", "message": "No."}
    server.answers["PATCH", KERNEL] = [(200, instance(version=6, **pod.status(restart=1, **stalled)))]
    with pytest.raises(KubernelError, match=r"No \(Forbidden\)\."):
        await manager.restart_kernel(now=True)
    assert dead == [True] * isinstance(manager, AsyncIOLoopKernelManager)
    assert not manager.has_kernel


async def test_a_kernel_whose_restart_failed_lives_and_is_watched(
    manager: AsyncKernelManager, server: FakeApiServer
) -> None:
    """A shutdown, which each restart begins with, has stopped the restarter."""
    await manager.start_kernel()
    dead = dead_calls(manager)
    server.answers["PATCH", KERNEL] = [failure(403, "Forbidden")]
    with pytest.raises(KubernelError, match="cannot restart the kernel"):
        await manager.restart_kernel(now=True)
    assert (manager.has_kernel, await manager.is_alive(), dead) == (True, True, [])
    assert ("DELETE", KERNEL) not in server.calls()
    if isinstance(manager, AsyncIOLoopKernelManager):
        assert manager._restarter._pcallback.is_running()


async def test_a_connection_file_that_cannot_be_written(
    manager: AsyncKernelManager, server: FakeApiServer, tmp_path: Path
) -> None:
    """jupyter_client finds out when the kernel runs, and ends none then."""
    (tmp_path / "no folder").touch()
    manager.connection_file = str(tmp_path / "no folder" / "kernel.json")
    with pytest.raises(ConfigurationError, match="connection file cannot be written"):
        await manager.start_kernel()
    await server.asked("DELETE", KERNEL)
    assert not manager.has_kernel


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"key": 1}'])
async def test_a_connection_file_of_somebody_else(manager: AsyncKernelManager, pod: Pod, content: str) -> None:
    """Such as an empty one, made by ``tempfile``; jupyter_client would fail when the kernel runs."""
    Path(manager.connection_file).write_text(content)  # noqa: ASYNC240 - before the start
    await manager.start_kernel()
    assert written_by(manager)["hb_port"] == pod.hb_port


async def test_a_restart_without_a_folder_for_the_connection_file(
    manager: AsyncKernelManager, server: FakeApiServer, pod: Pod, tmp_path: Path
) -> None:
    """Somebody has cleaned up; the kernel lives on."""
    manager.connection_file = str(tmp_path / "runtime" / "kernel.json")
    (tmp_path / "runtime").mkdir()
    await manager.start_kernel()
    shutil.rmtree(tmp_path / "runtime")
    with pytest.raises(ConfigurationError, match="connection file cannot be written"):
        await manager.restart_kernel(now=True)
    assert (manager.has_kernel, await manager.is_alive()) == (True, True)
    assert ("DELETE", KERNEL) not in server.calls()
    (tmp_path / "runtime").mkdir()
    server.answers["PATCH", KERNEL] = [(200, instance(version=7, **pod.status(restart=2)))]
    await manager.restart_kernel(now=True)
    assert written_by(manager)["shell_port"] == 18881


async def test_a_kernel_whose_post_launch_fails_ends_with_the_process(
    manager: AsyncKernelManager,
    provisioner: KubernetesProvisioner,
    cluster: Cluster,
    server: FakeApiServer,
    background: Background,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs on, and nobody cleans it up."""

    async def fail(**kwargs: object) -> None:
        raise RuntimeError("not today")

    monkeypatch.setattr(provisioner, "post_launch", fail)
    with pytest.raises(RuntimeError, match="not today"):
        await manager.start_kernel()
    assert ("DELETE", KERNEL) not in server.calls()
    await end_process(background, cluster)
    assert ("DELETE", KERNEL) in server.calls()


async def test_a_second_start_that_the_manager_cannot_use_ends_with_the_process(
    manager: AsyncKernelManager, cluster: Cluster, server: FakeApiServer, background: Background
) -> None:
    """A shutdown has destroyed the manager's own ZMQ context; it learns so after the launch."""
    await manager.start_kernel()
    await manager.shutdown_kernel(now=True)
    server.requests.clear()
    with pytest.raises(zmq.ZMQError):
        await manager.start_kernel()
    assert ("POST", INSTANCES) in server.calls()
    await end_process(background, cluster)
    assert ("DELETE", KERNEL) in server.calls()
