"""When a KernelInstance is looked at again."""

from typing import Any

import pytest

from fixtures.objects import (
    NOW,
    cr,
    finished_status,
    pod,
    ready_status,
    report,
)
from fixtures.plans import CONTEXT, GATED, NOT_PULLED, PENDING, UNSCHEDULABLE, planned, probed, seen
from kubernel_api.conditions import Reason
from kubernel_operator.decide.actions import Explain, Wake
from kubernel_operator.decide.plan import plan
from kubernel_operator.decide.situation import situation
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.observed import Observed, Refusal, Woken

REFUSED = Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota: pods=0")


LEASED = cr(status=ready_status(), lifecycle={"leaseName": "server-1"})


@pytest.mark.parametrize(
    ("instance", "observed", "again_at"),
    [
        pytest.param(cr(deleting=NOW), seen(), None, id="being deleted"),
        pytest.param(cr(), seen(PENDING), NOW + 1.8, id="fast start: its Events"),
        pytest.param(
            cr(), seen(PENDING, first_seen=NOW - 5, explained_at=NOW - 3), NOW + 7, id="slow start: its Events"
        ),
        pytest.param(cr(), seen(UNSCHEDULABLE, first_seen=NOW - 5), NOW + 295, id="unschedulable: the deadline"),
        pytest.param(cr(), seen(first_seen=NOW - 5, refusal=REFUSED), NOW + 295, id="refused: the deadline"),
        pytest.param(
            cr(), seen(pod(), report=report("starting")), NOW + 1.8, id="callback came, a moment ago: when it is silent"
        ),
        pytest.param(
            cr(),
            seen(pod(), report=report("starting"), first_seen=NOW - 1),
            NOW + 1,
            id="callback came: when it is silent",
        ),
        pytest.param(cr(), seen(pod()), NOW + 1.8, id="container runs, no callback: its answer is news"),
        pytest.param(
            cr(), seen(pod(), first_seen=NOW - 9), NOW + 291, id="container runs and says nothing: the deadline"
        ),
        pytest.param(
            cr(lifecycle={"startDeadlineSeconds": 10}),
            seen(PENDING, first_seen=NOW - 9.5),
            NOW + 0.5,
            id="start deadline",
        ),
        pytest.param(cr(), seen(pod(), report=report()), None, id="running: never again"),
        pytest.param(cr(), seen(pod(), report=probed(NOW - 1)), None, id="running, never called back: never again"),
        pytest.param(
            cr(status=ready_status(ready=NOW - 5), lifecycle={"activeDeadlineSeconds": 60}),
            seen(pod()),
            NOW + 55,
            id="running with an active deadline",
        ),
        pytest.param(
            cr(status=ready_status()), seen(pod(deleting=NOW + 3)), NOW + 8, id="running, pod is being deleted"
        ),
        pytest.param(
            cr(lifecycle={"startDeadlineSeconds": 3600}),
            seen(pod(ip=None, deleting=NOW + 3), first_seen=NOW - 400, explained_at=NOW - 1),
            NOW + 8,
            id="starting, pod is being deleted: its node may never confirm it",
        ),
        pytest.param(LEASED, seen(pod()), None, id="running with a Lease: it is looked after elsewhere"),
        pytest.param(
            cr(status=ready_status()), seen(pod(), report=report("exited", time=NOW - 1)), NOW + 29, id="grace"
        ),
        pytest.param(cr(status=finished_status(ended=NOW - 1)), seen(), NOW + 299, id="time to live"),
        pytest.param(
            cr(status=finished_status(ended=NOW - 1), lifecycle={"ttlSecondsAfterFinished": 7}),
            seen(),
            NOW + 6.8,
            id="its own time to live, on this operator's own clock",
        ),
    ],
)
def test_again(instance: dict[str, Any], observed: Observed, again_at: float | None) -> None:
    assert planned(instance, observed).again_at == (None if again_at is None else pytest.approx(again_at, abs=0.001))


@pytest.mark.parametrize(
    ("there", "lists"),
    [
        pytest.param(PENDING, 4, id="scheduled"),
        pytest.param(NOT_PULLED, 4, id="its image cannot be pulled"),
        pytest.param(UNSCHEDULABLE, 4, id="unschedulable"),
        pytest.param(GATED, 0, id="gated"),
    ],
)
def test_what_five_minutes_of_waiting_cost(there: dict[str, Any], lists: int) -> None:
    """A pod that nothing happens to: LISTs of Events, and passes that find nothing new."""
    instance = cr(created=NOW, lifecycle={"startDeadlineSeconds": 86400})
    now, explained_at, explained, passes = NOW, 0.0, 0, 0
    while now <= NOW + 301:
        observed = seen(there, first_seen=NOW, explained_at=explained_at)
        kernel = kernel_facts(instance)
        steps = plan(kernel, situation(kernel, observed, now), observed, CONTEXT, now)
        passes += 1
        if any(isinstance(action, Explain) for action in steps.actions):
            explained, explained_at = explained + 1, now
            now += 0.1
        else:
            assert steps.again_at is not None
            now = steps.again_at
    assert explained == lists
    assert passes <= 2 + 2 * lists


@pytest.mark.parametrize(
    ("reason", "message", "woken"),
    [
        ("CreateContainerConfigError", 'secret "k1-0123abcd45" not found', [0, 1, 2, 4, 8, 16]),
        ("CreateContainerConfigError", 'configmap "settings" not found', [0, 1, 2, 4, 8, 16]),
        ("CreateContainerConfigError", "failed to sync secret cache: timed out", [0, 1, 2, 4, 8, 16]),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", []),
        ("CreateContainerError", "no command specified", []),
        ("ErrImagePull", 'failed to pull "i": manifest unknown', [11]),
        ("ErrImagePull", 'failed to pull "i": 503 Service Unavailable', []),
    ],
)
def test_a_kubelet_is_made_to_try_again_what_may_work_by_now(reason: str, message: str, woken: list[int]) -> None:
    """What it did not find: a few times, soon. A registry that said no: once, before that is believed."""
    there = pod(phase="Pending", ip=None, state={"waiting": {"reason": reason, "message": message}})
    instance = cr(created=NOW, connection={"keyFrom": "Client"})
    found: list[float] = []
    last: Woken | None = None
    now = NOW
    while now <= NOW + 60:
        observed = seen(
            there,
            first_seen=NOW,
            woken=last,
            refused_since={"k1-1": NOW},
            explained_at=NOW + 1000,
            secret_posted=NOW + 1000,
        )
        kernel = kernel_facts(instance)
        steps = plan(kernel, situation(kernel, observed, now), observed, CONTEXT, now)
        for action in steps.actions:
            if isinstance(action, Wake):
                last = Woken(action.pod.uid, action.times + 1, now)
                found.append(now - NOW)
        if steps.again_at is None:
            break  # it has failed
        if not any(isinstance(action, Wake) for action in steps.actions):  # else a pass follows at once
            now = steps.again_at
    assert found == pytest.approx(woken)
