"""What a start that fails says, for each cause, at the moment when Kubernetes knows it."""

import asyncio
import json
import logging
from collections.abc import Callable

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kubectl import Kubectl
from kubernel_provisioner import KubernelError
from kubernel_provisioner.commands.cli import main
from kubernel_provisioner.words import COLUMNS

Make = Callable[..., AsyncKernelManager]
# A start fails after 300 s at the latest; what cannot heal is not waited for.
SOON_SECONDS = 30


async def failure_of(make_manager: Make) -> KubernelError:
    """The exception that a start ends with."""
    with pytest.raises(KubernelError) as caught:
        async with asyncio.timeout(SOON_SECONDS):
            await make_manager().start_kernel()
    return caught.value


@pytest.mark.parametrize(
    ("variable", "value", "reason", "why"),
    [
        pytest.param("IMAGE", "Not:An:Image", "InvalidImageName", "Not:An:Image", id="image name"),
        pytest.param("RUNTIME_CLASS_NAME", "none", "Forbidden", 'RuntimeClass "none" not found', id="runtime class"),
        pytest.param("PRIORITY_CLASS_NAME", "none", "Forbidden", "no PriorityClass with name none", id="priority"),
        pytest.param("ARGV", '["no-such-program"]', "KernelCrashed", "no-such-program", id="program"),
        pytest.param("KERNEL_NAME", "fortran", "KernelCrashed", "fortran", id="kernelspec in the image"),
        pytest.param("MEMORY", "16Mi", "OOMKilled", "memory", id="memory"),
    ],
)
async def test_what_cannot_heal(
    make_manager: Make,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    reason: str,
    why: str,
) -> None:
    monkeypatch.setenv(f"KUBERNEL_{variable}", value)
    error = await failure_of(make_manager)
    assert f"({reason})." in " ".join(error.what.split())
    assert why in f"{error.what} {error.why}"
    assert all(len(line) <= COLUMNS for line in str(error).splitlines())
    assert await asyncio.to_thread(main, error.more.split()[1:]) == 0
    assert reason in capsys.readouterr().out  # the KernelInstance is gone, its Events are not


async def test_a_limit_of_the_namespace(
    make_manager: Make, monkeypatch: pytest.MonkeyPatch, kubectl: Kubectl, namespace: str
) -> None:
    limits = {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}
    limit_range = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": limits}
    kubectl.within(namespace).apply(limit_range)
    monkeypatch.setenv("KUBERNEL_MEMORY", "2Gi")
    error = await failure_of(make_manager)
    assert "maximum memory usage per Container is 1Gi, but limit is 2Gi (Forbidden)" in error.what


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        pytest.param("NODE_SELECTOR", "kubernel.test/none=true", "Unschedulable: ", id="no node"),
        pytest.param("IMAGE", "127.0.0.1:9/no/such:image", "ImagePullFailed: ", id="no image"),
        pytest.param(
            "VOLUMES",
            json.dumps([{"name": "data", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "none"}}]),
            'persistentvolumeclaim "none" not found',
            id="no claim",
        ),
    ],
)
async def test_what_may_heal_is_said_while_waiting(
    make_manager: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setenv(f"KUBERNEL_{variable}", value)
    with caplog.at_level(logging.INFO):
        start = asyncio.create_task(make_manager().start_kernel())
        async with asyncio.timeout(SOON_SECONDS):
            while said not in caplog.text:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.05)
        assert not start.done()
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
