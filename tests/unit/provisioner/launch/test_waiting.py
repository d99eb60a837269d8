"""Waiting for a kernel to be ready: a view is fed, a clock is set, and the outcome is read."""

import asyncio
import logging
import pickle
import time
from typing import Any

import pytest

from kubernel_provisioner.cluster.view import View
from kubernel_provisioner.errors import KernelDeletedError, KernelFailedError, KubernelError, OperatorNotRunningError
from kubernel_provisioner.launch.narrator import Narrator
from kubernel_provisioner.launch.subject import Subject
from kubernel_provisioner.launch.verdict import Goal
from kubernel_provisioner.launch.waiting import OPERATOR_WARNING_SECONDS, Patience, until_over, until_ready

SUBJECT = Subject("k-1", "ns", "kubectl")
PATIENCE = Patience(operator=15, start=300)
READY = {
    "observedGeneration": 1,
    "conditions": [{"type": "Ready", "status": "True"}],
    "connection": {"ip": "10.0.0.7"},
}


def instance(version: int = 1, **status: Any) -> dict[str, Any]:
    metadata = {"name": "k-1", "uid": "u", "resourceVersion": str(version), "generation": 1}
    return {"metadata": metadata, "spec": {}, "status": status}


@pytest.fixture
def view() -> View:
    view = View()
    view.offer(instance())
    return view


def narrator(seconds: float = 0.0) -> Narrator:
    """One that began so many seconds ago."""
    times = iter([0.0])
    return Narrator(logging.getLogger("test"), str(SUBJECT), lambda: next(times, seconds))


async def test_a_status_that_becomes_ready(view: View) -> None:
    waiting = asyncio.create_task(until_ready(view, SUBJECT, Goal(1), PATIENCE, narrator()))
    await asyncio.sleep(0)
    view.apply("MODIFIED", instance(2, observedGeneration=1, reason="ImagePulling"))
    await asyncio.sleep(0)
    view.apply("MODIFIED", instance(3, **READY))
    assert await waiting == {"ip": "10.0.0.7"}


FAILED = {
    "observedGeneration": 1,
    "conditions": [{"type": "Stalled", "status": "True"}],
    "reason": "Forbidden",
    "message": "pods is forbidden.",
}


@pytest.mark.parametrize(
    ("event", "status", "type_", "text"),
    [
        pytest.param(
            "MODIFIED",
            FAILED,
            KernelFailedError,
            "pods is forbidden (Forbidden).\nMore: kubernel events k-1 -n ns",
            id="needs a person",
        ),
        pytest.param(
            "DELETED",
            {},
            KernelDeletedError,
            "The kernel was deleted while it started.\nStart a new one.\nMore: kubernel events k-1 -n ns",
            id="deleted",
        ),
    ],
)
@pytest.mark.parametrize("wait", ["until_ready", "until_over"])
async def test_what_ends_it(
    view: View, event: str, status: dict[str, Any], type_: type[KubernelError], text: str, wait: str
) -> None:
    coroutine = (
        until_ready(view, SUBJECT, Goal(1), PATIENCE, narrator())
        if wait == "until_ready"
        else until_over(view, SUBJECT, Goal(1))
    )
    waiting = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    view.apply(event, instance(2, **status))
    with pytest.raises(type_) as caught:
        await waiting
    assert str(caught.value) == text


async def test_an_entry_that_was_forgotten_was_deleted() -> None:
    with pytest.raises(KernelDeletedError):
        await until_ready(View(), SUBJECT, Goal(1), PATIENCE, narrator())


async def test_a_program_that_is_not_in_the_image(view: View) -> None:
    """Callers of jupyter_client catch what a local kernel without its program raises."""
    ended = {"exitCode": 127, "restartGeneration": 0}
    view.apply("MODIFIED", instance(2, phase="Exited", exit=ended, reason="KernelCrashed", message="R: not found."))
    with pytest.raises(FileNotFoundError) as caught:
        await until_ready(view, SUBJECT, Goal(1), PATIENCE, narrator(1.0))
    assert isinstance(caught.value, KernelFailedError)
    assert str(caught.value).splitlines()[0] == "R: not found (KernelCrashed)."
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_a_remedy_knows_what_was_asked_for(view: View) -> None:
    ended = {"restartGeneration": 0, "oomKilled": True}
    killed = instance(2, phase="Exited", exit=ended, reason="OOMKilled", message="Too much.")
    killed["spec"] = {"resources": {"limits": {"memory": "300Mi"}}}
    view.apply("MODIFIED", killed)
    subject = Subject("k-1", "ns", "kubectl", "science")
    with pytest.raises(KernelFailedError) as caught:
        await until_ready(view, subject, Goal(1), PATIENCE, narrator(1.0))
    assert caught.value.command == "kubernel install --name science --memory 600Mi --update"


async def test_no_operator(view: View) -> None:
    with pytest.raises(OperatorNotRunningError) as caught:
        await until_ready(view, SUBJECT, Goal(1), PATIENCE, narrator(15.0))
    assert str(caught.value) == (
        "No kubernel operator has looked at the kernel for 15 s.\n"
        "The operator is not running, or does not watch this namespace.\n"
        "Try: kubectl get deployments -A -l app.kubernetes.io/name=kubernel"
    )


async def test_an_operator_that_went_away_does_not_keep_it_waiting_for_ever(view: View) -> None:
    view.apply("MODIFIED", instance(2, observedGeneration=1, reason="Unschedulable", message="No node."))
    with pytest.raises(KernelFailedError) as caught:
        await until_ready(view, SUBJECT, Goal(1), PATIENCE, narrator(330.0))
    assert (caught.value.reason, caught.value.what) == ("Unschedulable", "No node (Unschedulable).")
    assert caught.value.why == "It was waited for 300 s."


async def test_the_log_says_early_that_there_may_be_no_operator(view: View, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OperatorNotRunningError):
        await until_ready(view, SUBJECT, Goal(1), Patience(operator=7, start=300), narrator(7.0))
    assert [record.getMessage() for record in caplog.records] == [
        "Kernel ns/k-1: no kubernel operator has looked at it yet; is one running?"
    ]


async def test_the_log_says_what_a_start_waits_for(view: View, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    waiting = asyncio.create_task(until_ready(view, SUBJECT, Goal(1), PATIENCE, narrator()))
    for version, message in ((2, "Pulling r:1."), (3, "Pulling r:1."), (4, "No node.")):
        reason = "ImagePulling" if message.startswith("Pulling") else "Unschedulable"
        view.apply("MODIFIED", instance(version, observedGeneration=1, reason=reason, message=message))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    view.apply("MODIFIED", instance(5, **READY))
    await waiting
    assert caplog.messages == ["Kernel ns/k-1: ImagePulling: Pulling r:1.", "Kernel ns/k-1: Unschedulable: No node."]


async def test_the_log_warns_when_a_start_takes_long(view: View, caplog: pytest.LogCaptureFixture) -> None:
    view.apply("MODIFIED", instance(2, observedGeneration=1, reason="Unschedulable", message="No node."))
    waiting = asyncio.create_task(until_ready(view, SUBJECT, Goal(1), PATIENCE, narrator(61.0)))
    await asyncio.sleep(0)
    view.apply("MODIFIED", instance(3, **READY))
    await waiting
    assert caplog.messages == ["Kernel ns/k-1 is still starting after 61 s: Unschedulable: No node."]


@pytest.mark.parametrize("operator", [0.01, 0.02])
async def test_a_short_patience_is_kept(view: View, operator: float) -> None:
    """Shorter than the time after which the log says that there may be no operator."""
    impatient = Narrator(logging.getLogger("test"), str(SUBJECT), time.monotonic)
    async with asyncio.timeout(OPERATOR_WARNING_SECONDS - 1):
        with pytest.raises(OperatorNotRunningError):
            await until_ready(view, SUBJECT, Goal(1), Patience(operator=operator, start=300), impatient)
