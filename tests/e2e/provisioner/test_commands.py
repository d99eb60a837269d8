"""``kubernel ps``, ``logs``, ``restart``, ``events`` and ``stop`` with a real kernel, as a person runs them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import connected, run
from fixtures.kubectl import Kubectl
from kubernel_provisioner.commands.cli import main

Make = Callable[..., AsyncKernelManager]
Kubernel = Callable[..., Awaitable[str]]


@pytest.fixture
def kubernel(capsys: pytest.CaptureFixture[str]) -> Kubernel:
    """Runs a command that must succeed, and returns its standard output."""

    async def run_(*arguments: str) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(main, arguments) == 0  # it has a loop of its own
        return capsys.readouterr().out

    return run_


async def test_the_life_of_a_kernel(manager: AsyncKernelManager, kubernel: Kubernel, namespace: str) -> None:
    name = f"k-{manager.kernel_id}"
    (row,) = (await kubernel("ps")).splitlines()[1:]
    assert row.split()[0] == name
    assert "Running" in row
    assert (await kubernel("ps", "-o", "name")).split() == [name]
    assert json.loads(await kubernel("ps", "-o", "json"))["items"][0]["metadata"]["namespace"] == namespace
    wide = (await kubernel("ps", "-A", "-o", "wide")).splitlines()
    assert any(line.split()[:2] == [namespace, name] for line in wide)
    async with connected(manager) as client:
        await run(client, "import os; os.write(2, b'outside of cells\\n'); x = 1")
        # ipykernel passes on what was written to its own file descriptor before it captured that.
        assert await kubernel("restart", name, "--wait") == f"Kernel {name} is ready again.\n"
        await client.wait_for_ready(timeout=60)
        assert await run(client, "print('x' in globals())") == "False\n"
    assert await kubernel("stop", name) == f"Kernel {name} is being stopped.\n"
    async with asyncio.timeout(60):
        while await kubernel("ps") != "There are no kernels.\n":  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)
    assert await asyncio.to_thread(main, ["logs", name]) == 1
    assert "Container started" in await kubernel("events", name)  # it is gone, its Events are not


async def test_a_log(make_manager: Make, monkeypatch: pytest.MonkeyPatch, kubernel: Kubernel) -> None:
    shell = "echo one; echo two; exec python3 -m ipykernel_launcher -f {connection_file}"
    monkeypatch.setenv("KUBERNEL_ARGV", json.dumps(["sh", "-c", shell]))
    manager = make_manager()
    await manager.start_kernel()
    assert "one\ntwo\n" in await kubernel("logs", f"k-{manager.kernel_id}")
    assert len((await kubernel("logs", f"k-{manager.kernel_id}", "--tail", "1")).splitlines()) == 1


async def test_as_a_plugin_of_kubectl(manager: AsyncKernelManager, kubectl: Kubectl, namespace: str) -> None:
    """kubectl finds programs on the PATH whose names begin with its own."""
    plugin = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{plugin}{os.pathsep}{os.environ['PATH']}"}
    command = [str(kubectl.program), "kernel", "ps", "-n", namespace, "-o", "name"]
    run_ = partial(subprocess.run, command, env=environment, capture_output=True, text=True, check=True)
    done = await asyncio.to_thread(run_)
    assert done.stdout == f"k-{manager.kernel_id}\n"


async def test_a_crash_during_a_restart_shows_its_last_output(
    make_manager: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one at the first start does; in the error of the restart, and in what is said of the end."""
    shell = (
        "if [ -e /tmp/started ]; then echo last words >&2; exit 4; fi; "
        "touch /tmp/started; exec python3 -m ipykernel_launcher -f {connection_file}"
    )
    monkeypatch.setenv("KUBERNEL_ARGV", json.dumps(["sh", "-c", shell]))
    manager = make_manager()
    await manager.start_kernel()
    with pytest.raises(RuntimeError) as caught:
        await manager.restart_kernel(now=True)
    assert str(caught.value).splitlines()[:3] == [
        "The kernel ended with exit code 4 (KernelCrashed).",
        "Its last output:",
        "last words",
    ]
