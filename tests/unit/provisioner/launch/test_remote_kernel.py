"""A kernel that is signalled, ended and launched by several at once, through a provisioner."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.fake_api_server import INSTANCES, KERNEL, FakeApiServer, failure, instance
from fixtures.kernel_pod import Pod, polled, signals
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import KernelDeletedError
from kubernel_provisioner.launch import remote_kernel


@pytest.fixture
def unsupervised(pod: Pod) -> None:
    """The image has no Python for the supervisor."""
    pod.is_supervised = False


@pytest.fixture
def ends_later(background: Background, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is to happen END_SECONDS later."""
    later: list[Callable[[], None]] = []
    call_later = background.loop.call_later

    def remember(seconds: float, call: Callable[..., None], *args: Any, **kwargs: Any) -> object:
        if seconds != remote_kernel.END_SECONDS:
            return call_later(seconds, call, *args, **kwargs)
        return later.append(lambda: call(*args))

    monkeypatch.setattr(background.loop, "call_later", remember)
    return later


async def settle() -> None:
    """Lets everything run that need not wait for anybody."""
    for _ in range(20):
        await asyncio.sleep(0)


# Two tabs, one kernel.


@pytest.mark.parametrize("ends", ["cancelled", "failed"])
async def test_a_launch_that_ends_badly_leaves_the_kernel_to_a_newer_one(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod, ends: str
) -> None:
    refused, restarted = failure(403, "Forbidden"), (200, instance(version=6, **pod.status(restart=1)))
    server.answers["PATCH", KERNEL] = [refused if ends == "failed" else restarted, restarted]
    server.gates["PATCH", KERNEL] = asyncio.Event()
    one = asyncio.create_task(running.launch_kernel([]))
    await server.asked("PATCH", KERNEL)
    two = asyncio.create_task(running.launch_kernel([]))
    await settle()
    if ends == "cancelled":
        one.cancel()
    server.gates["PATCH", KERNEL].set()
    await asyncio.wait({one})
    assert await two == pod.info()
    assert running.has_process
    assert await running.poll() is None
    assert ("DELETE", KERNEL) not in server.calls()


async def test_a_newer_launch_that_is_cancelled_takes_an_older_one_along(
    provisioner: KubernetesProvisioner, server: FakeApiServer, background: Background
) -> None:
    """The older one was in the middle of its POST: nothing was held yet that could be deleted."""
    server.gates["POST", INSTANCES] = asyncio.Event()
    one = asyncio.create_task(provisioner.launch_kernel([]))
    await server.asked("POST", INSTANCES)
    two = asyncio.create_task(provisioner.launch_kernel([]))
    await settle()
    two.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two
    await settle()
    server.gates["POST", INSTANCES].set()
    with pytest.raises(KernelDeletedError):
        await one
    await background.finish_errands(10)
    assert ("DELETE", KERNEL) in server.calls()
    assert not provisioner.has_process


# What a poll knows.


def test_a_poll_before_the_first_start(provisioner: KubernetesProvisioner) -> None:
    assert polled(provisioner) == 0


@pytest.mark.parametrize(
    ("event", "ended", "expected"),
    [
        pytest.param("MODIFIED", None, None, id="running"),
        pytest.param("MODIFIED", {"exitCode": 0}, 0, id="ended"),
        pytest.param("MODIFIED", {"exitCode": 42}, 42, id="exit code"),
        pytest.param("MODIFIED", {"signal": 11}, -11, id="signal"),
        pytest.param("MODIFIED", {"oomKilled": True}, -9, id="out of memory"),
        pytest.param("DELETED", None, -9, id="deleted by hand"),
    ],
)
async def test_a_poll(
    running: KubernetesProvisioner,
    cluster: Cluster,
    pod: Pod,
    caplog: pytest.LogCaptureFixture,
    event: str,
    ended: dict[str, Any] | None,
    expected: int | None,
) -> None:
    cluster.view.apply(event, instance(version=7, **(pod.status() if ended is None else pod.ended(**ended))))
    assert [polled(running), polled(running)] == [expected, expected]
    assert len(caplog.messages) == (expected is not None)  # an end is said once
    if expected is not None:
        assert await running.wait() == expected


async def test_an_end_that_was_asked_for_is_no_news(
    running: KubernetesProvisioner, cluster: Cluster, pod: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    await running.shutdown_requested()
    assert pod.requests == [{"op": "status", "while": "running"}]  # nothing is made for a restart
    cluster.view.apply("MODIFIED", instance(version=7, **pod.ended(exitCode=0)))
    assert polled(running) == 0
    assert caplog.messages == []


async def asks_for_end(running: KubernetesProvisioner, monkeypatch: pytest.MonkeyPatch) -> asyncio.Task[None]:
    """Somebody who waits for a kernel's end that is to be restarted."""
    monkeypatch.setattr("kubernel_provisioner.provisioner.ENDS_WITHIN_SECONDS", 30.0)
    asking = asyncio.create_task(running.shutdown_requested(restart=True))
    await asyncio.wait({asking}, timeout=0.05)
    assert not asking.done()
    return asking


async def test_who_asks_for_an_end_waits_for_it(
    running: KubernetesProvisioner, cluster: Cluster, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look of a manager finds it ended; the next one would be 0.1 s later."""
    asking = await asks_for_end(running, monkeypatch)
    cluster.view.apply("MODIFIED", instance(version=7, **pod.ended(exitCode=0)))
    await asyncio.wait_for(asking, 10.0)
    assert polled(running) == 0


async def test_the_supervisor_tells_of_an_end_before_an_operator_does(
    running: KubernetesProvisioner, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = await asks_for_end(running, monkeypatch)
    await pod.become("exited", 3)
    await asyncio.wait_for(asking, 10.0)
    assert (polled(running), await running.wait()) == (3, 3)
    assert pod.requests == [{"op": "status", "while": "running", "restarts": True}]
    await pod.become("running")
    await running.launch_kernel([])
    assert polled(running) is None  # it is another process


async def test_who_asks_for_an_end_does_not_wait_for_long(running: KubernetesProvisioner) -> None:
    await running.shutdown_requested(restart=True)
    assert (running.has_process, polled(running)) == (True, None)


async def test_a_poll_while_it_starts_and_restarts(
    provisioner: KubernetesProvisioner, cluster: Cluster, server: FakeApiServer, pod: Pod
) -> None:
    """The end of the process before is no news."""
    server.answers["PATCH", KERNEL] = [(200, instance(version=8, **pod.status(restart=1)))]
    for step in (("POST", INSTANCES), ("PATCH", KERNEL)):
        server.gates[step] = asyncio.Event()
        launching = asyncio.create_task(provisioner.launch_kernel([]))
        await server.asked(*step)
        assert polled(provisioner) is None
        server.gates[step].set()
        await launching
        assert polled(provisioner) is None
        cluster.view.apply("MODIFIED", instance(version=7, **pod.ended(exitCode=1)))


async def test_wait_returns_at_the_kernels_end_and_not_at_its_pods(
    running: KubernetesProvisioner, cluster: Cluster, server: FakeApiServer, pod: Pod
) -> None:
    waiting = asyncio.create_task(running.wait())
    await settle()
    assert not waiting.done()
    cluster.view.apply("MODIFIED", instance(version=7, **pod.ended(exitCode=3)))
    assert await waiting == 3
    assert not running.has_process
    assert server.requests == []


# Signals.


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGUSR1, signal.SIGTERM])
async def test_a_signal(
    running: KubernetesProvisioner, pod: Pod, caplog: pytest.LogCaptureFixture, signum: signal.Signals
) -> None:
    await running.send_signal(signum)
    assert pod.requests == [{"op": "signal", "signum": int(signum)}]
    assert caplog.messages == []


async def test_terminate_and_kill_are_signals(running: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> None:
    await running.terminate()
    await running.kill()
    assert signals(pod) == [signal.SIGTERM, signal.SIGKILL]
    assert polled(running) is None
    assert server.requests == []


async def test_an_interpreter_that_boots_gets_no_sigint(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod
) -> None:
    """It would die of it. Every shutdown begins with one, also that of a kernel that restarts in place."""
    server.answers["PATCH", KERNEL] = [(200, instance(version=6, **pod.status()))]
    restarting = asyncio.create_task(running.launch_kernel([]))
    await server.asked("PATCH", KERNEL)
    await running.send_signal(signal.SIGINT)
    await running.send_signal(signal.SIGTERM)
    assert signals(pod) == [signal.SIGTERM]
    await running.cleanup()
    with pytest.raises(KernelDeletedError):
        await restarting


@pytest.mark.parametrize("status", [{"exitCode": 0}, {"signal": 9}])
async def test_a_kernel_that_has_ended_takes_every_call(
    running: KubernetesProvisioner, cluster: Cluster, pod: Pod, status: dict[str, Any]
) -> None:
    cluster.view.apply("MODIFIED", instance(version=7, **pod.ended(**status)))
    await running.send_signal(signal.SIGINT)
    await running.terminate()
    await running.kill()
    assert pod.requests == []


async def test_a_supervisor_that_refuses(
    running: KubernetesProvisioner, pod: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    pod.answer = {"ok": False, "error": "no such signal"}
    await running.send_signal(99)
    await running.terminate()
    await running.kill()
    assert "no such signal" in caplog.text
    assert polled(running) is None


@pytest.mark.parametrize(("method", "code"), [("terminate", -15), ("kill", -9)])
async def test_a_supervisor_that_does_not_answer(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod, method: str, code: int
) -> None:
    """Its node may be lost. The kernel counts as ended, so that a shutdown or a restart goes on."""
    pod.answer = None
    await running.send_signal(signal.SIGINT)
    assert polled(running) is None
    await getattr(running, method)()
    assert polled(running) == code
    assert server.requests == []


@pytest.mark.usefixtures("unsupervised")
async def test_without_a_supervisor_lost_signals_are_said_once(
    running: KubernetesProvisioner, caplog: pytest.LogCaptureFixture
) -> None:
    await running.send_signal(signal.SIGUSR1)
    await running.send_signal(signal.SIGINT)
    assert [message.split(".")[0].split(": ")[:2] for message in caplog.messages] == [
        ["Kernel 1", "it cannot be interrupted or sent signals"]
    ]


@pytest.mark.usefixtures("unsupervised")
async def test_without_a_supervisor_a_shutdown_takes_longer(running: KubernetesProvisioner) -> None:
    """The kubelet says that a container has ended a second later, and then there is a watch."""
    assert running.get_shutdown_wait_time(5.0) == 10.0


@pytest.mark.usefixtures("unsupervised")
@pytest.mark.parametrize(("method", "code"), [("terminate", -15), ("kill", -9)])
async def test_without_a_supervisor_the_end_waits_for_what_follows(
    running: KubernetesProvisioner,
    server: FakeApiServer,
    ends_later: list[Callable[[], None]],
    method: str,
    code: int,
) -> None:
    """A restart keeps the KernelInstance, and with it the address."""
    await getattr(running, method)()
    await running.kill()
    assert (polled(running), server.requests) == (code, [])
    await running.launch_kernel([])
    assert polled(running) is None
    [end] = ends_later
    end()
    await settle()
    assert server.calls() == [("PATCH", KERNEL)]


@pytest.mark.usefixtures("unsupervised")
async def test_without_a_supervisor_the_end_comes_even_if_nothing_follows(
    running: KubernetesProvisioner, server: FakeApiServer, background: Background, ends_later: list[Callable[[], None]]
) -> None:
    await running.terminate()
    [end] = ends_later
    end()
    await background.finish_errands(10)
    assert server.calls() == [("DELETE", KERNEL)]
    assert polled(running) == -15


# The end.


async def test_cleanup_deletes_a_living_kernel_once(
    running: KubernetesProvisioner, cluster: Cluster, server: FakeApiServer
) -> None:
    await running.cleanup(restart=True)
    assert (polled(running), server.requests) == (None, [])
    await running.cleanup(restart=False)
    await running.cleanup(restart=False)
    options = {"preconditions": {"uid": "u1", "resourceVersion": "5"}, "propagationPolicy": "Background"}
    assert server.requests == [("DELETE", KERNEL, options)]
    assert polled(running) == -9
    assert cluster.view.get("k-1") is None


async def test_cleanup_keeps_the_exit_code(running: KubernetesProvisioner, cluster: Cluster, pod: Pod) -> None:
    cluster.view.apply("MODIFIED", instance(version=7, **pod.ended(exitCode=3)))
    await running.cleanup()
    assert polled(running) == 3


async def test_a_shutdown_does_not_wait_for_an_api_server_that_is_away(
    running: KubernetesProvisioner,
    cluster: Cluster,
    server: FakeApiServer,
    background: Background,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_kernel, "DELETE_PATIENCE_SECONDS", 0.01)
    server.gates["DELETE", KERNEL] = asyncio.Event()
    ending = asyncio.create_task(running.cleanup())
    await server.asked("DELETE", KERNEL)
    await asyncio.wait({ending}, timeout=10)
    assert ending.done()
    server.gates["DELETE", KERNEL].set()
    await background.finish_errands(10)
    assert cluster.view.get("k-1") is None


async def test_what_it_uses(running: KubernetesProvisioner, pod: Pod) -> None:
    used = {"memory": {"usage": 1, "limit": None}, "cpuSeconds": 1.5}
    pod.answer = {"ok": True, **used}
    assert await running.usage() == used
    assert pod.requests == [{"op": "usage"}]
    for nobody_knows in ({"ok": False, "error": "unknown op 'usage'"}, None):
        pod.answer = nobody_knows
        assert await running.usage() is None
    await running.cleanup()
    assert await running.usage() is None
