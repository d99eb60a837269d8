"""Starts and restarts, to the end or cancelled at every step: an API server and a pod that answer as they are told."""

import asyncio
import json
import logging
from types import SimpleNamespace

import pytest
from traitlets.config import LoggingConfigurable

from fixtures.fake_api_server import (
    INSTANCES,
    KERNEL,
    LEASES,
    POOLS,
    PORT_FORWARD,
    SECRET,
    SECRETS,
    FakeApiServer,
    failure,
    instance,
    listing,
)
from fixtures.kernel_pod import Pod
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.cluster.background import Background
from kubernel_provisioner.cluster.shared import Cluster
from kubernel_provisioner.errors import KernelDeletedError, KernelFailedError, KubernelError
from kubernel_provisioner.launch import launching
from kubernel_provisioner.reach import route
from kubernel_provisioner.reach.port_forward import POD_PORTS

STALLED = {"conditions": [{"type": "Stalled", "status": "True"}], "reason": "Forbidden", "message": "No."}


async def cancelled(task: asyncio.Task[object]) -> None:
    """Cancels a task, and sees it end so."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_start(provisioner: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> None:
    assert await provisioner.launch_kernel([]) == pod.info()
    assert provisioner.has_process
    assert await provisioner.poll() is None
    assert server.calls() == [
        ("POST", LEASES),
        ("GET", INSTANCES),
        ("GET", POOLS),
        ("POST", INSTANCES),
        ("POST", SECRETS),
    ]
    sent = server.requests[-1][2]
    assert sent["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert (sent["metadata"]["name"], sent["stringData"]) == ("k-1-u1", {"key": "k3y"})


async def test_a_watch_that_has_gone_deaf(
    provisioner: KubernetesProvisioner, server: FakeApiServer, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy holds it open and has lost the other end: each start was blamed on an operator that does not run."""
    monkeypatch.setattr(launching, "OPERATOR_WARNING_SECONDS", 0.0)
    server.answers["POST", INSTANCES] = [(201, instance())]
    server.answers["GET", INSTANCES] = [listing(1), listing(9, instance(version=8, **pod.status()))]
    assert await provisioner.launch_kernel([]) == pod.info()
    assert server.calls().count(("GET", INSTANCES)) == 2


async def test_a_start_with_the_operators_key(
    provisioner: KubernetesProvisioner, server: FakeApiServer, pod: Pod
) -> None:
    provisioner.key_from = "Operator"
    assert await provisioner.launch_kernel([]) == pod.info()
    assert server.calls()[2:] == [("POST", INSTANCES), ("GET", SECRET)]


async def test_a_key_that_may_not_be_made(
    provisioner: KubernetesProvisioner, server: FakeApiServer, background: Background
) -> None:
    server.answers["POST", SECRETS] = [failure(403, "Forbidden")]
    with pytest.raises(KubernelError, match=r"^Not permitted \(403\): cannot create the Secret"):
        await provisioner.launch_kernel([])
    await background.finish_errands(10)
    assert server.calls()[-1] == ("DELETE", KERNEL)


async def test_a_restart(running: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> None:
    """By the supervisor itself; the operator finds it done. The Secret is not read again: key and ports stay."""
    assert await running.launch_kernel([]) == pod.info()
    patch = {"metadata": {"uid": "u1", "resourceVersion": "5"}, "spec": {"restartGeneration": 1}}
    assert server.requests == [("PATCH", KERNEL, patch)]
    assert pod.requests == [{"op": "restart", "generation": 1}]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"ok": True}, id="in place"),
        pytest.param({"ok": False, "error": "a line may have at most 256 KiB"}, id="refused by the supervisor"),
        pytest.param(None, id="no supervisor answers, the pod is replaced"),
    ],
)
async def test_the_environment_of_a_restart(
    running: KubernetesProvisioner, server: FakeApiServer, pod: Pod, answer: dict[str, object] | None
) -> None:
    """Whoever starts the process has it, the supervisor or the operator; it is sent until it was taken."""
    pod.answer = answer
    new = {"JPY_SESSION_NAME": "b.ipynb"}
    restarted = [(200, instance(version=version, **pod.status(restart=version))) for version in (6, 7)]
    server.answers["PATCH", KERNEL] = [failure(403, "Forbidden"), *restarted]
    with pytest.raises(KubernelError):
        await running.launch_kernel([], env=new)
    for _ in range(2):
        await running.launch_kernel([], env=new)
    told = [body["spec"].get("env") for method, path, body in server.requests if (method, path) == ("PATCH", KERNEL)]
    expected = [{"name": "JPY_SESSION_NAME", "value": "b.ipynb"}]
    assert told == [expected, expected, None]
    assert [request.get("env") for request in pod.restarts()] == [new, new, None]


@pytest.mark.parametrize("is_restart", [False, True], ids=["start", "restart"])
async def test_it_returns_when_the_heartbeat_is_echoed(
    provisioner: KubernetesProvisioner, pod: Pod, is_restart: bool
) -> None:
    if is_restart:
        await provisioner.launch_kernel([])
    pod.beats.clear()
    pod.asked.clear()
    launching, asked = asyncio.create_task(provisioner.launch_kernel([])), asyncio.create_task(pod.asked.wait())
    await asyncio.wait({launching, asked}, return_when=asyncio.FIRST_COMPLETED)
    assert (asked.done(), launching.done()) == (True, False)
    pod.beats.set()
    await launching


@pytest.mark.parametrize("is_restart", [False, True], ids=["start", "restart"])
async def test_a_launch_that_fails_leaves_nothing(
    provisioner: KubernetesProvisioner, server: FakeApiServer, background: Background, pod: Pod, is_restart: bool
) -> None:
    """Nobody calls ``cleanup`` after it."""
    if is_restart:
        await provisioner.launch_kernel([])
    for method, path in (("POST", INSTANCES), ("PATCH", KERNEL)):
        server.answers[method, path] = [(200, instance(version=6, **pod.status(restart=1, **STALLED)))]
    with pytest.raises(KernelFailedError, match=r"No \(Forbidden\)\."):
        await provisioner.launch_kernel([])
    await background.finish_errands(10)
    assert server.calls()[-1] == ("DELETE", KERNEL)
    assert not provisioner.has_process
    assert await provisioner.poll() == -9


async def test_a_restart_that_is_refused_leaves_the_kernel_alone(
    running: KubernetesProvisioner, server: FakeApiServer, background: Background
) -> None:
    """It lives, with all that is in its memory, and the next restart is one of the same kernel."""
    server.answers["PATCH", KERNEL] = [failure(403, "Forbidden"), *server.answers["PATCH", KERNEL]]
    with pytest.raises(KubernelError, match="cannot restart the kernel"):
        await running.launch_kernel([])
    await background.finish_errands(10)
    assert (running.has_process, await running.poll()) == (True, None)
    await running.launch_kernel([])
    assert server.calls() == [("PATCH", KERNEL)] * 2


@pytest.mark.parametrize(
    ("step", "is_ready", "is_made"),
    [
        pytest.param(("POST", LEASES), True, False, id="opening the namespace"),
        pytest.param(("GET", INSTANCES), True, False, id="the first list"),
        pytest.param(("POST", INSTANCES), True, True, id="the KernelInstance"),
        pytest.param(("GET", SECRET), False, True, id="the wait for the operator"),
        pytest.param(("GET", SECRET), True, True, id="the Secret"),
        pytest.param(("POST", SECRETS), True, True, id="the Secret of its own"),
        pytest.param(("GET", PORT_FORWARD), True, True, id="the proof through a port-forward"),
    ],
)
async def test_a_start_that_is_cancelled(
    provisioner: KubernetesProvisioner,
    server: FakeApiServer,
    background: Background,
    listeners: list[asyncio.Server],
    step: tuple[str, str],
    is_ready: bool,
    is_made: bool,
) -> None:
    provisioner.access = "port-forward"
    provisioner.key_from = "Operator" if step == ("GET", SECRET) else "Client"
    if not is_ready:
        server.answers["POST", INSTANCES] = [(201, instance())]
    server.gates[step] = asyncio.Event()
    starting = asyncio.create_task(provisioner.launch_kernel([]))
    await server.asked(*step)
    await cancelled(starting)
    server.gates[step].set()
    await provisioner.wait()
    await background.finish_errands(10)
    assert (("DELETE", KERNEL) in server.calls()) is is_made
    assert not provisioner.has_process
    assert [listener for listener in listeners if listener.is_serving()] == []


@pytest.mark.parametrize("is_answered", [False, True], ids=["the request", "the wait for the operator"])
async def test_a_restart_that_is_cancelled(
    running: KubernetesProvisioner, server: FakeApiServer, background: Background, is_answered: bool
) -> None:
    """The kernel was there before."""
    if is_answered:
        server.answers["PATCH", KERNEL] = [(200, instance(version=6))]
    else:
        server.gates["PATCH", KERNEL] = asyncio.Event()
    restarting = asyncio.create_task(running.launch_kernel([]))
    await server.asked("PATCH", KERNEL)
    await cancelled(restarting)
    if not is_answered:
        server.gates["PATCH", KERNEL].set()
    await background.finish_errands(10)
    assert server.calls() == [("PATCH", KERNEL)]
    assert running.has_process
    assert await running.poll() is None


@pytest.mark.parametrize("is_restart", [False, True], ids=["start", "restart"])
async def test_cancelled_while_it_is_proved(
    provisioner: KubernetesProvisioner, server: FakeApiServer, background: Background, pod: Pod, is_restart: bool
) -> None:
    if is_restart:
        await provisioner.launch_kernel([])
    pod.beats.clear()
    pod.asked.clear()
    launching = asyncio.create_task(provisioner.launch_kernel([]))
    await pod.asked.wait()
    await cancelled(launching)
    await background.finish_errands(10)
    assert (server.calls()[-1] == ("DELETE", KERNEL)) is not is_restart
    assert provisioner.has_process is is_restart


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("trial_seconds", [0, 5], ids=["port-forward", "direct"])
async def test_cancelled_when_it_succeeds(
    provisioner: KubernetesProvisioner,
    cluster: Cluster,
    server: FakeApiServer,
    background: Background,
    listeners: list[asyncio.Server],
    monkeypatch: pytest.MonkeyPatch,
    trial_seconds: int,
    turns: int,
) -> None:
    """From one turn of the loop to the next nobody may know that there is a kernel, and local ports for it."""
    monkeypatch.setattr(route, "TRIAL_SECONDS", trial_seconds)
    provisioner.access = "auto"
    starting = asyncio.create_task(provisioner.launch_kernel([]))
    while cluster.direct is None:  # noqa: ASYNC110 - the last that a search does
        await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    if starting.cancel():
        await asyncio.wait({starting})
        assert starting.cancelled()
    else:
        await provisioner.cleanup()
    await provisioner.wait()
    await background.finish_errands(10)
    assert server.calls()[-1] == ("DELETE", KERNEL)
    assert [listener for listener in listeners if listener.is_serving()] == []


async def test_two_launches_at_once_share_their_local_ports(
    provisioner: KubernetesProvisioner,
    cluster: Cluster,
    server: FakeApiServer,
    listeners: list[asyncio.Server],
) -> None:
    """Two tabs restart a kernel that has not been ready yet."""
    provisioner.access = "port-forward"
    gate = server.gates["GET", PORT_FORWARD] = asyncio.Event()
    one = asyncio.create_task(provisioner.launch_kernel([]))
    await server.asked("GET", PORT_FORWARD)
    two = asyncio.create_task(provisioner.launch_kernel([]))
    while (seen := cluster.view.get("k-1")) is None or not seen.status["restartGeneration"]:  # noqa: ASYNC110
        await asyncio.sleep(0)
    for _ in range(50):  # more than it takes to open ports
        await asyncio.sleep(0)
    gate.set()
    assert await one == await two
    assert len(listeners) == len(POD_PORTS)
    await provisioner.cleanup()


async def test_shut_down_while_it_is_proved(
    provisioner: KubernetesProvisioner, server: FakeApiServer, pod: Pod
) -> None:
    """It answers before the API server has taken the deletion."""
    pod.beats.clear()
    server.gates["DELETE", KERNEL] = asyncio.Event()
    starting = asyncio.create_task(provisioner.launch_kernel([]))
    await pod.asked.wait()
    ending = asyncio.create_task(provisioner.cleanup())
    await server.asked("DELETE", KERNEL)
    pod.beats.set()
    with pytest.raises(KernelDeletedError, match="was shut down while it started"):
        await starting
    server.gates["DELETE", KERNEL].set()
    await ending


@pytest.mark.parametrize("reason", ["IdleTimeout", "KernelCrashed"])
async def test_a_restart_of_what_is_over_for_good_starts_anew(
    running: KubernetesProvisioner, cluster: Cluster, server: FakeApiServer, pod: Pod, reason: str
) -> None:
    """The operator looks at no later request."""
    finished = {"conditions": [{"type": "Finished", "status": "True"}], "reason": reason}
    cluster.view.offer(instance(version=7, **pod.status(**finished)))
    server.answers["POST", INSTANCES] = [(201, instance("k-2", uid="u2", **pod.status()))]
    assert await running.launch_kernel([]) == pod.info()
    assert ("PATCH", KERNEL) not in server.calls()
    assert {("DELETE", KERNEL), ("POST", INSTANCES)} <= set(server.calls())
    assert await running.poll() is None


@pytest.mark.parametrize("is_known", [True, False], ids=["seen", "not seen yet"])
async def test_under_a_server_nobody_brings_back_what_was_deleted_by_hand(
    running: KubernetesProvisioner,
    cluster: Cluster,
    server: FakeApiServer,
    pod: Pod,
    is_known: bool,
) -> None:
    """Its clients know one address; whoever deleted it wants it gone."""
    told: list[str] = []
    running.parent = LoggingConfigurable()
    running.parent._restarter = SimpleNamespace(_fire_callbacks=told.append)
    if is_known:
        cluster.view.apply("DELETED", instance(version=7, **pod.status()))
    server.answers["PATCH", KERNEL] = [(404, {"reason": "NotFound", "message": "not found"})]
    with pytest.raises(KernelDeletedError, match=r"it was deleted\.\nStart a new one"):
        await running.launch_kernel([])
    assert ("POST", INSTANCES) not in server.calls()
    assert told == ["dead"]


async def test_what_may_not_pass_is_sent_to_nobody(
    provisioner: KubernetesProvisioner,
    server: FakeApiServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From a notebook server the environment is the server's own."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "m4rker")
    monkeypatch.setenv("KERNEL_USERNAME", "ada")
    for _ in ("start", "restart"):
        kwargs = await provisioner.pre_launch()
        await provisioner.launch_kernel(**kwargs)
    sent = json.dumps(server.requests)
    assert "ada" in sent
    assert "m4rker" not in sent + caplog.text
